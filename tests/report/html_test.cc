#include <gmock/gmock.h>

#include <cmath>
#include <regex>
#include <set>

#include "fqlab/report.h"
#include "report/figures.h"
#include "report/fixture.h"
#include "report/page_text.h"
#include "report/sections.h"
#include "report/svg.h"

namespace fqlab::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string page(const std::vector<Comparison>& all, Language language = Language::kEnglish) {
  return comparison_html(all, language);
}

std::vector<std::vector<Comparison>> every_report() {
  return {{testing::fp8_norm()},  {testing::vacuous()},
          {testing::itself()},    {testing::native_unresolved()},
          {testing::different()}, {testing::fp8_norm(), testing::vacuous(), testing::different()}};
}

TEST(Html, AsksNothingOfTheNetworkAndRunsNoScript) {
  for (const auto& report : every_report()) {
    const std::string html = page(report);
    for (const char* part : {"<script", "src=", "url(", "@import", "javascript:", "onload"})
      EXPECT_THAT(html, Not(HasSubstr(part)));
    static const std::regex kAddress("https?://[^\"]*");
    for (std::sregex_iterator it(html.begin(), html.end(), kAddress), end; it != end; ++it) {
      EXPECT_EQ(it->str(), "http://www.w3.org/2000/svg");  // a name, not a request
    }
  }
}

TEST(Html, KeepsNumbersWithAnExponentOnOneLine) {
  Document document;
  document.blocks = {Paragraph{"From 5.9e-5 to 3e-12 nats, `0.5e-3`, 2e-x, fe-1 and e-7; **1.5e-06**."}};
  EXPECT_THAT(render_html(document),
              HasSubstr("From <span class=\"tiny\">5.9e-5</span> to <span class=\"tiny\">3e-12</span> nats, "
                        "<code>0.5e-3</code>, 2e-x, fe-1 and e-7; <strong><span "
                        "class=\"tiny\">1.5e-06</span></strong>."));
}

TEST(Html, ClosesEveryElementItOpens) {
  static const std::regex kTag("<(/?)([a-z][a-z0-9]*)([^>]*)>");
  for (const auto& report : every_report()) {
    const std::string html = page(report);
    std::vector<std::string> open;
    for (std::sregex_iterator it(html.begin(), html.end(), kTag), end; it != end; ++it) {
      const std::string name = (*it)[2], rest = (*it)[3];
      if (name == "meta" || name == "link" || rest.ends_with('/')) continue;
      if ((*it)[1] == "/") {
        ASSERT_FALSE(open.empty()) << name;
        ASSERT_EQ(open.back(), name);
        open.pop_back();
      } else {
        open.push_back(name);
      }
    }
    EXPECT_TRUE(open.empty());
  }
}

TEST(Html, NamesItsLanguage) {
  EXPECT_THAT(page({testing::fp8_norm()}), HasSubstr("<html lang=\"en\">"));
  EXPECT_THAT(page({testing::fp8_norm()}, Language::kTraditionalChinese),
              HasSubstr("<html lang=\"zh-Hant-TW\">"));
}

TEST(Html, HasUniqueIdsAndLinksThatLead) {
  static const std::regex kId("id=\"([^\"]*)\""), kLink("href=\"#([^\"]*)\"");
  for (const auto& report : every_report()) {
    const std::string html = page(report);
    std::set<std::string> ids;
    for (std::sregex_iterator it(html.begin(), html.end(), kId), end; it != end; ++it)
      EXPECT_TRUE(ids.insert((*it)[1]).second) << (*it)[1];
    for (std::sregex_iterator it(html.begin(), html.end(), kLink), end; it != end; ++it)
      EXPECT_TRUE(ids.contains((*it)[1])) << (*it)[1];
  }
}

TEST(Html, EscapesWhatTheModelsSaid) {
  const std::string html = page({testing::different()});
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;gears&gt; &amp; &quot;music&quot;"), Not(HasSubstr("<gears>"))));
}

TEST(Html, MarksWhereAnswersDiffer) {
  EXPECT_THAT(page({testing::different()}),
              AllOf(HasSubstr("<mark>named Zeta,</mark> who loved"),
                    HasSubstr("<mark>called Max | </mark>who loved <mark>`oil`</mark>")));
}

TEST(Html, PutsADataTableBehindEveryFigure) {
  const std::string html = page({testing::different()});
  EXPECT_EQ(occurrences(html, "<svg"), 5u);  // KL, histogram, position, chunks, speed
  EXPECT_EQ(occurrences(html, "<figure>"), occurrences(html, "<details>"));
  EXPECT_EQ(occurrences(html, "<svg"), occurrences(html, "role=\"img\" aria-label=\""));
}

TEST(Html, RanksSeveralComparisonsByDivergence) {
  const std::string html = page({testing::fp8_norm(), testing::vacuous(), testing::different()});
  const std::string forest = html.substr(html.find("<figure>"));
  EXPECT_LT(forest.find("*=mxfp4"), forest.find("0/ffn_norm=fp8_e4m3"));
  EXPECT_LT(forest.find("0/ffn_norm=fp8_e4m3"), forest.find("0/ffn_norm=bf16"));
  EXPECT_THAT(forest, HasSubstr("0 exactly"));
}

TEST(Html, TellsVerdictsByWordAndSignNotByColourAlone) {
  EXPECT_THAT(page({testing::fp8_norm()}), HasSubstr("<span class=\"badge equivalent\">≈ equivalent</span>"));
}

TEST(Figures, AreNotDrawnWithoutData) {
  const Text text(Language::kEnglish);
  Comparison c = testing::vacuous();
  c.chunks.clear();
  EXPECT_EQ(chunk_figure(c, text), "");
  EXPECT_EQ(kl_figure(c, text), "");
  EXPECT_EQ(histogram_figure(c, text), "");
  EXPECT_EQ(position_figure(c, text), "");
  EXPECT_EQ(speed_figure(c, text), "");
  EXPECT_EQ(forest_figure({}, RowNames({}), text), "");
}

TEST(Figures, HoldNoNumberThatIsNotFinite) {
  Comparison c = testing::different();
  c.kl.mean = std::nan("");
  c.kl.max = HUGE_VAL;
  c.chunks[0].nll_variant = std::nan("");
  c.kl.noise_floor->value = 0;
  const Text text(Language::kEnglish);
  const Comparison* one[] = {&c};
  for (const std::string& svg : {chunk_figure(c, text), kl_figure(c, text), histogram_figure(c, text),
                                 forest_figure(one, RowNames(std::span(&c, 1)), text)}) {
    EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf\""))));
  }
}

TEST(Axis, MapsItsEndsToItsPixels) {
  const Axis linear{-1, 3, 100, 20};
  EXPECT_EQ(linear.at(-1), 100);
  EXPECT_EQ(linear.at(3), 20);
  EXPECT_EQ(linear.at(99), 20);
  const Axis logarithmic{1e-12, 1, 0, 120, true};
  EXPECT_NEAR(logarithmic.at(1e-6), 60, 1e-9);
  EXPECT_EQ(logarithmic.at(0), 0);
}

TEST(Axis, HasRoundTicks) {
  EXPECT_EQ((Axis{-0.0025, 0.003, 0, 1}.ticks()), (std::vector<double>{-0.002, 0, 0.002}));
  const Axis logarithmic{1e-13, 1, 0, 1, true};
  for (const double tick : logarithmic.ticks())
    EXPECT_NEAR(std::log10(tick), std::round(std::log10(tick)), 1e-9);
  EXPECT_LE(logarithmic.ticks().size(), 8u);
}

TEST(Viridis, HasItsPublishedEnds) {
  EXPECT_EQ(viridis(0), "#440154");
  EXPECT_EQ(viridis(1), "#fde725");
}

// Relative luminance and contrast as in WCAG 2.1.
double luminance(const std::string& hex) {
  double sum = 0;
  const double weights[] = {0.2126, 0.7152, 0.0722};
  for (size_t i = 0; i < 3; ++i) {
    const double c = std::stoi(hex.substr(1 + 2 * i, 2), nullptr, 16) / 255.0;
    sum += weights[i] * (c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
  }
  return sum;
}
double contrast(const std::string& a, const std::string& b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}
std::string colour(const std::string& scheme, const std::string& name) {
  const size_t at = scheme.find("--" + name + ":#") + name.size() + 3;
  std::string hex = scheme.substr(at, scheme.find_first_of(";}", at) - at);
  return hex.size() == 4 ? std::string{'#', hex[1], hex[1], hex[2], hex[2], hex[3], hex[3]} : hex;
}

TEST(Style, KeepsTextContrastAtFourAndAHalf) {
  const std::string html = page({testing::vacuous()});
  const size_t dark_at = html.find("@media (prefers-color-scheme:dark)");
  for (const std::string& scheme : {html.substr(html.find(":root"), 900), html.substr(dark_at, 900)}) {
    for (const auto& [text, ground] : std::vector<std::pair<std::string, std::string>>{{"ink", "page"},
                                                                                       {"soft", "page"},
                                                                                       {"link", "page"},
                                                                                       {"ink", "card"},
                                                                                       {"soft", "card"},
                                                                                       {"good", "page"},
                                                                                       {"bad", "page"},
                                                                                       {"open", "page"},
                                                                                       {"null", "page"},
                                                                                       {"ink", "good-bg"},
                                                                                       {"ink", "bad-bg"},
                                                                                       {"ink", "open-bg"},
                                                                                       {"ink", "null-bg"},
                                                                                       {"ink", "mark"}}) {
      EXPECT_GE(contrast(colour(scheme, text), colour(scheme, ground)), 4.5) << text << " on " << ground;
    }
  }
}

}  // namespace
}  // namespace fqlab::report
