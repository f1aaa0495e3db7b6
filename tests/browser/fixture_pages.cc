// Writes report.html and map.html of the tests' made-up comparisons, maps and verifications, in both
// languages, for the browser test: fixture_pages FOLDER
#include <cstdio>
#include <filesystem>

#include "fqlab/report.h"
#include "report/fixture.h"
#include "report/map_fixture.h"
#include "report/verify_fixture.h"
#include "testing.h"

int main(int count, char** arguments) {
  using namespace fqlab;
  namespace made_up = fqlab::testing;
  if (count != 2) {
    std::fprintf(stderr, "usage: fixture_pages FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = arguments[1];
  std::filesystem::create_directories(folder);
  const std::pair<const char*, std::vector<Comparison>> reports[] = {
      {"different", {made_up::different()}},
      {"small", {made_up::fp8_norm()}},
      {"vacuous", {made_up::vacuous()}},
      {"itself", {made_up::itself()}},
      {"unresolved", {made_up::native_unresolved()}},
      {"several", {made_up::fp8_norm(), made_up::vacuous(), made_up::different()}},
  };
  for (const auto& [name, comparisons] : reports) {
    made_up::write_file(folder / (std::string(name) + ".en.html"),
                        comparison_html(comparisons, Language::kEnglish));
    made_up::write_file(folder / (std::string(name) + ".zh-TW.html"),
                        comparison_html(comparisons, Language::kTraditionalChinese));
  }
  const std::pair<const char*, SensitivityMap> maps[] = {{"map", made_up::sweep_map()},
                                                         {"map-empty", made_up::empty_map()}};
  for (const auto& [name, map] : maps) {
    made_up::write_file(folder / (std::string(name) + ".en.html"), map_html(map, Language::kEnglish));
    made_up::write_file(folder / (std::string(name) + ".zh-TW.html"),
                        map_html(map, Language::kTraditionalChinese));
  }
  const std::pair<const char*, Verification> verifications[] = {
      {"verify", made_up::full_verification()}, {"verify-alone", made_up::small_verification()}};
  for (const auto& [name, verification] : verifications) {
    made_up::write_file(folder / (std::string(name) + ".en.html"),
                        verification_html(verification, Language::kEnglish));
    made_up::write_file(folder / (std::string(name) + ".zh-TW.html"),
                        verification_html(verification, Language::kTraditionalChinese));
  }
  return 0;
}
