// Writes report.html of the tests' made-up comparisons, in both languages, for the browser test:
// fixture_pages FOLDER
#include <cstdio>
#include <filesystem>

#include "fqlab/report.h"
#include "report/fixture.h"
#include "testing.h"

int main(int count, char** arguments) {
  using namespace fqlab;
  if (count != 2) {
    std::fprintf(stderr, "usage: fixture_pages FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = arguments[1];
  std::filesystem::create_directories(folder);
  const std::pair<const char*, std::vector<Comparison>> reports[] = {
      {"different", {testing::different()}},
      {"small", {testing::fp8_norm()}},
      {"vacuous", {testing::vacuous()}},
      {"itself", {testing::itself()}},
      {"unresolved", {testing::native_unresolved()}},
      {"several", {testing::fp8_norm(), testing::vacuous(), testing::different()}},
  };
  for (const auto& [name, comparisons] : reports) {
    testing::write_file(folder / (std::string(name) + ".en.html"),
                        comparison_html(comparisons, Language::kEnglish));
    testing::write_file(folder / (std::string(name) + ".zh-TW.html"),
                        comparison_html(comparisons, Language::kTraditionalChinese));
  }
  return 0;
}
