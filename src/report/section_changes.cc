// Section 2: which values were changed, and by how much.
#include <filesystem>

#include "report/numbers.h"
#include "report/sections.h"

namespace fqlab::report {
namespace {

constexpr size_t kMostRows = 60;  // a whole model has hundreds of tensors; report.json holds them all

std::string share(uint64_t part, uint64_t whole) {
  return percent(whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole));
}

Table counts_table(const Comparison& c, const Text& text) {
  Table table{text("changes.table"),
              {{text("head.tensor")},
               {text("head.from")},
               {text("head.format")},
               {text("head.stored_as")},
               {text("head.values"), true},
               {text("head.changed"), true},
               {text("head.saturated"), true},
               {text("head.flushed"), true}},
              {}};
  for (const TensorReport& t : c.tensors) {
    if (table.rows.size() == kMostRows) break;
    table.rows.push_back({code(t.name), t.from, code(t.format), t.stored_as, count(t.values),
                          count(t.changed), t.saturated ? count(*t.saturated) : text("none"),
                          count(t.flushed_to_zero)});
  }
  return table;
}

Table error_table(const Comparison& c, const Text& text) {
  Table table{text("changes.table_error"),
              {{text("head.tensor")},
               {text("head.relative_mse"), true},
               {text("head.snr"), true},
               {text("head.max_error"), true}},
              {}};
  for (const TensorReport& t : c.tensors) {
    if (table.rows.size() == kMostRows) break;
    table.rows.push_back({code(t.name), number(t.relative_mse), t.snr_db ? number(*t.snr_db) : text("none"),
                          number(t.max_abs_error)});
  }
  return table;
}

Table models_table(const Comparison& c, const Text& text) {
  Table table{text("changes.files"), {{text("head.setting")}, {text("head.original")}}, {}};
  std::vector<const ModelIdentity*> models = {&c.original};
  if (c.variant_file) {
    models.push_back(&*c.variant_file);
    table.columns.push_back({text("head.variant")});
  }
  const auto row = [&](Key key, auto value) {
    std::vector<std::string> cells = {text(key)};
    for (const ModelIdentity* model : models) cells.push_back(value(*model));
    table.rows.push_back(std::move(cells));
  };
  row("setting.model",
      [](const ModelIdentity& m) { return code(std::filesystem::path(m.path).filename().string()); });
  row("reproduce.architecture", [](const ModelIdentity& m) { return m.architecture; });
  row("reproduce.parameters", [](const ModelIdentity& m) { return count(m.parameters); });
  row("reproduce.file_size", [](const ModelIdentity& m) { return byte_size(m.bytes); });
  row("setting.hash", [](const ModelIdentity& m) { return code(m.sha256); });
  return table;
}

}  // namespace

void add_changes(const Comparison& c, const Text& text, const SectionPlace& place, Document& document) {
  add_section_heading(2, "section.changes", text, place, document);
  const std::string tensors = text.plural(c.tensors.size(), "unit.tensor", "unit.tensors");
  const std::string changed = count(c.values_changed), total = count(c.values_total);
  const std::string part = share(c.values_changed, c.values_total);
  document.blocks.push_back(Paragraph{c.recipe ? text("changes.recipe", {{"recipe", *c.recipe},
                                                                         {"tensors", tensors},
                                                                         {"changed", changed},
                                                                         {"total", total},
                                                                         {"share", part}})
                                               : text("changes.file", {{"file", variant_name(c)},
                                                                       {"tensors", tensors},
                                                                       {"changed", changed},
                                                                       {"total", total},
                                                                       {"share", part}})});
  if (c.vacuous) {
    document.blocks.push_back(
        Callout{true, text("summary.warning",
                           {{"text", text("changes.vacuous", {{"changed", changed}, {"total", total}})}})});
  }
  if (!c.tensors.empty()) {
    document.blocks.push_back(counts_table(c, text));
    document.blocks.push_back(error_table(c, text));
    if (c.tensors.size() > kMostRows) {
      document.blocks.push_back(
          Paragraph{text("changes.more", {{"n", count(c.tensors.size() - kMostRows)}})});
    }
    document.blocks.push_back(Paragraph{text("changes.explain")});
  }
  document.blocks.push_back(models_table(c, text));
}

}  // namespace fqlab::report
