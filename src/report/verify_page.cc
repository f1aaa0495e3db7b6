// The page of a verification, and what the terminal says of it.
#include <algorithm>

#include "fqlab/verification_report.h"
#include "report/clusters.h"
#include "report/document.h"
#include "report/numbers.h"
#include "report/report_files.h"
#include "report/sections.h"
#include "report/terminal_width.h"
#include "report/verify_tables.h"
#include "report/verify_view.h"
#include "report/word_diff.h"

namespace fqlab {
namespace report {
namespace {

class VerifyPage {
 public:
  VerifyPage(const Verification& v, const Text& say) : v_(v), say_(say) {}

  Document build() {
    document_.language = say_.language();
    document_.title = say_("verify.title", {{"file", v_.files.front().name}});
    document_.footer = say_("verify.footer", {{"version", FQLAB_VERSION}});
    add_summary();
    for (size_t i = 0; i < v_.texts.size(); ++i) add_text(i);
    add_dialogue();
    add_speed();
    add_method();
    add_making();
    return std::move(document_);
  }

 private:
  void add(Block block) { document_.blocks.push_back(std::move(block)); }
  void section(const std::string& id, std::string title) { add(Heading{2, id, std::move(title)}); }

  void add_summary() {
    section("summary", say_("verify.summary"));
    for (const VerifiedText& text : v_.texts) add(Callout{false, headline(v_, text, say_), overall(v_)});
    if (std::vector<std::string> found = standings(v_, say_); !found.empty()) add(Bullets{std::move(found)});
    for (std::string& warning : warning_sentences(v_, say_))
      add(Callout{true, say_("summary.warning", {{"text", std::move(warning)}})});
    add(Paragraph{say_("verify.reading")});
    if (v_.texts.size() > 1) add(verify_overview(v_, say_));
  }

  void add_text(size_t index) {
    const VerifiedText& text = v_.texts[index];
    const std::string name = code(text.name), id = "text-" + std::to_string(index + 1);
    section(id, say_("verify.on_text", {{"text", name}}));
    add(Paragraph{
        say_("verify.measured_on",
             {{"positions", count(text.positions)},
              {"chunks", say_.plural(static_cast<uint64_t>(text.chunks), "unit.chunk", "unit.chunks")},
              {"n_ctx", count(static_cast<uint64_t>(v_.settings.n_ctx))},
              {"clusters", cluster_count(text.clusters, text.cluster_kind, say_)}})});
    const std::string caption = say_("verify.pareto", {{"text", text.name}});
    const std::span<const PlanPoint> frontier =
        v_.plan ? std::span<const PlanPoint>(v_.plan->frontier) : std::span<const PlanPoint>();
    const std::vector<ParetoPoint> points = pareto_points(v_, text);
    add(Figure{caption, pareto_figure(points, frontier, caption, say_),
               verify_curve_table(v_, text, caption, say_)});
    const bool curve = near_points(points, frontier).size() > 1;
    add(Paragraph{say_.sentences(say_("verify.pareto_note"), curve ? say_("verify.frontier_note") : "")});
    if (!text.against.empty()) {
      add(verify_pairs_table(v_, text, say_));
      add(Paragraph{say_("verify.pairs_note")});
    }
    add(verify_files_table(v_, text, say_));
    add(Paragraph{say_("verify.files_note")});
  }

  void not_measured(const char* key, Key sentence, Key how) {
    for (const Note& note : v_.notes) {
      if (note.key != key) continue;
      add(Paragraph{say_(sentence, {{"reason", say_.dynamic("reason.", note.reason)}})});
      if (!note.detail.empty()) add(Code{note.detail});
      if (note.reason == "switched_off") add(Paragraph{say_(how)});
    }
  }

  void add_dialogue() {
    section("dialogue", say_("section.dialogue"));
    const VerifiedFile& file = v_.files.front();
    if (file.dialogue.empty())
      return not_measured("dialogue", "dialogue.not_measured", "dialogue.how_option");
    add(Paragraph{say_("verify.dialogue_note")});
    add(verify_dialogue_table(v_, say_));
    if (!file.dialogue.front().chat_template) add(Paragraph{say_("dialogue.raw_prompt")});
    add(Paragraph{say_("verify.answers", {{"file", code_name(v_, 0)}})});
    int number = 0;
    for (const DialogueResult& answer : file.dialogue) {
      ++number;
      add(Heading{3, "prompt-" + std::to_string(number), prompt_heading(answer.prompt, number, say_)});
      if (!is_heading(answer.prompt)) add(Code{answer.prompt});
      if (answer.identical)
        add(Paragraph{say_("dialogue.identical")});
      else if (answer.first_divergent_token)
        add(Paragraph{say_("dialogue.diverges",
                           {{"token", count(static_cast<uint64_t>(*answer.first_divergent_token) + 1)}})});
      WordDiff diff = diff_words(answer.original, answer.variant);
      add(SideBySide{say_("head.original"), file.name, std::move(diff.left), std::move(diff.right)});
    }
  }

  void add_speed() {
    section("speed", say_("section.performance"));
    if (!v_.files.front().speed)
      return not_measured("speed", "performance.not_measured", "performance.how_option");
    add(Paragraph{say_("verify.speed_note")});
    add(verify_speed_table(v_, &FileSpeed::generation_tps, &FileSpeed::generation, "metric.generation",
                           say_));
    add(verify_speed_table(v_, &FileSpeed::prompt_tps, &FileSpeed::prompt, "metric.prompt", say_));
    add(verify_speed_table(v_, &FileSpeed::load_ms, &FileSpeed::load, "metric.load", say_));
  }

  void add_method() {
    section("method", say_("verify.method"));
    add(Bullets{{say_("verify.method_native"), say_("verify.method_paired"), say_("verify.method_zero"),
                 say_("verify.method_interval"), say_("verify.method_verdict")}});
    add(Paragraph{say_("limits.lead")});
    std::vector<std::string> texts;
    for (const VerifiedText& text : v_.texts) texts.push_back(code(text.name));
    std::vector<std::string> limits = {
        say_("verify.limit_text", {{"texts", say_.list(texts)}}),
        say_("limits.context", {{"n_ctx", count(static_cast<uint64_t>(v_.settings.n_ctx))}}),
        say_("verify.limit_together")};
    if (v_.plan) limits.push_back(say_("verify.limit_frontier"));
    limits.push_back(say_("verify.limit_sampling"));
    add(Bullets{std::move(limits)});
  }

  void add_making() {
    section("making", say_("verify.making"));
    add(Paragraph{say_("reproduce.lead")});
    if (!v_.command.empty()) add(Code{shell_command(v_.command)});
    if (v_.plan) add(verify_plan_table(v_, say_));
    add(verify_hash_table(v_, say_));
    add(verify_settings_table(v_, say_));
  }

  const Verification& v_;
  const Text& say_;
  Document document_;
};

}  // namespace
}  // namespace report

std::string verification_markdown(const Verification& verification, Language language) {
  const report::Text say(language);
  return report::render_markdown(report::VerifyPage(verification, say).build());
}

std::string verification_html(const Verification& verification, Language language) {
  const report::Text say(language);
  return report::render_html(report::VerifyPage(verification, say).build());
}

std::string verification_text(const Verification& verification, Language language) {
  const report::Text say(language);
  std::string out;
  for (const VerifiedText& text : verification.texts) {
    out += report::without_marks(report::headline(verification, text, say)) + "\n";
    out += report::terminal_text(report::verify_terminal_table(verification, text, say)) + "\n";
  }
  for (const std::string& sentence : report::standings(verification, say))
    out += report::without_marks(sentence) + "\n";
  for (const std::string& warning : report::warning_sentences(verification, say))
    out += report::without_marks(say("summary.warning", {{"text", warning}})) + "\n";
  return out;
}

Result<std::vector<std::filesystem::path>> write_verification_report(const Verification& verification,
                                                                     std::span<const Language> languages,
                                                                     const std::filesystem::path& folder) {
  std::vector<ExportFile> files = {{"report.json", verification_json(verification)}};
  for (size_t i = 0; i < languages.size(); ++i) {
    const std::string stem = "report" + report::language_suffix(languages, i);
    files.push_back({stem + ".html", verification_html(verification, languages[i])});
    files.push_back({stem + ".md", verification_markdown(verification, languages[i])});
  }
  for (ExportFile& file : verification_csv(verification)) files.push_back(std::move(file));
  return report::write_files(files, folder);
}

}  // namespace fqlab
