#include "study/study_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/system.h"
#include "study/study_schema.h"

namespace fqlab {
namespace {

constexpr int64_t kJoint = -1;  // position of the floors of all tensors together

/// "model_sha256 is a1b2..., the study has c3d4...".
std::string difference(const std::string& name, const std::string& mine, const std::string& stored) {
  const auto shown = [](const std::string& value) {
    constexpr size_t kHash = 64;
    return value.size() == kHash ? value.substr(0, 12) + "..." : value;
  };
  std::string readable = name;
  for (char& c : readable) c = c == '_' ? ' ' : c;
  return fmt::format("{} is {}, the study's is {}", readable, shown(mine), shown(stored));
}

Error other_study(const std::string& path, const std::string& differences, bool other_numerics) {
  if (other_numerics)
    return {ErrorCode::kUsage, "the study was measured by another version of fqlab: " + differences, path,
            "give another --study FILE; fqlab show and fqlab report still read this one"};
  return {ErrorCode::kUsage, "the study was made of something else: " + differences, path,
          "give another --study FILE, or the study's own model, text and settings"};
}

}  // namespace

Result<StudyStore> StudyStore::open(const std::filesystem::path& path) {
  Result<Database> database = Database::open(path, Database::Open::kExisting);
  if (!database) return tl::unexpected(database.error());
  if (Result<void> known = check_schema(*database); !known) return tl::unexpected(known.error());
  if (Result<void> ready = prepare_schema(*database); !ready) return tl::unexpected(ready.error());
  return StudyStore(std::move(*database));
}

Result<StudyStore> StudyStore::open_or_create(const std::filesystem::path& path,
                                              std::span<const StudyProperty> properties) {
  Result<Database> database = Database::open(path, Database::Open::kCreate);
  if (!database) return tl::unexpected(database.error());
  if (Result<void> ready = prepare_schema(*database); !ready) return tl::unexpected(ready.error());
  StudyStore store(std::move(*database));
  Result<Transaction> transaction = Transaction::begin(store.database_);
  if (!transaction) return tl::unexpected(transaction.error());
  if (Result<void> same = store.check_identity(properties); !same) return tl::unexpected(same.error());
  Result<Statement> insert = store.database_.prepare("INSERT OR IGNORE INTO property VALUES(?, ?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  for (const StudyProperty& property : properties) {
    insert->bind(1, property.name).bind(2, property.value).bind(3, int64_t{property.identity});
    if (Result<void> done = insert->run(); !done) return tl::unexpected(done.error());
  }
  if (Result<void> done = transaction->commit(); !done) return tl::unexpected(done.error());
  return store;
}

Result<void> StudyStore::check(const std::filesystem::path& path, std::span<const StudyProperty> properties) {
  Result<Database> database = Database::open(path, Database::Open::kExisting);
  if (!database) return tl::unexpected(database.error());
  const Result<bool> study = holds_study(*database);
  if (!study) return tl::unexpected(study.error());
  if (!*study) return {};
  return StudyStore(std::move(*database)).check_identity(properties);
}

Result<void> StudyStore::check_identity(std::span<const StudyProperty> properties) {
  const Result<std::vector<StudyProperty>> stored = this->properties();
  if (!stored) return tl::unexpected(stored.error());
  std::map<std::string, std::string> values;
  for (const StudyProperty& property : *stored) values[property.name] = property.value;
  std::string differences;
  bool other_numerics = false;
  if (!values.empty())
    for (const StudyProperty& property : properties)
      if (property.identity && values[property.name] != property.value) {
        other_numerics = other_numerics || property.name == "numerics_version";
        differences += (differences.empty() ? "" : "; ") +
                       difference(property.name, property.value, values[property.name]);
      }
  if (!differences.empty()) return tl::unexpected(other_study(database_.path(), differences, other_numerics));
  return {};
}

Result<std::vector<StudyProperty>> StudyStore::properties() {
  Result<Statement> select = database_.prepare("SELECT name, value, identity FROM property ORDER BY name");
  if (!select) return tl::unexpected(select.error());
  std::vector<StudyProperty> properties;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    properties.push_back({row.text(0), row.text(1), row.integer(2) != 0});
  });
  if (!read) return tl::unexpected(read.error());
  return properties;
}

Result<void> StudyStore::add_chunks(std::span<const StudyChunk> added) {
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  const Result<std::vector<StudyChunk>> stored = chunks();
  if (!stored) return tl::unexpected(stored.error());
  Result<Statement> insert = database_.prepare("INSERT INTO chunk VALUES(?, ?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  for (size_t c = 0; c < added.size(); ++c) {
    if (c < stored->size()) {
      if ((*stored)[c].tokens_sha256 == added[c].tokens_sha256) continue;
      return tl::unexpected(
          other_study(database_.path(), fmt::format("chunk {} of the text has other tokens", c), false));
    }
    insert->bind(1, static_cast<int64_t>(c))
        .bind(2, int64_t{added[c].cluster})
        .bind(3, added[c].tokens_sha256);
    if (Result<void> done = insert->run(); !done) return done;
  }
  return transaction->commit();
}

Result<std::vector<StudyChunk>> StudyStore::chunks() {
  Result<Statement> select = database_.prepare("SELECT cluster, tokens_sha256 FROM chunk ORDER BY number");
  if (!select) return tl::unexpected(select.error());
  std::vector<StudyChunk> chunks;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    chunks.push_back({static_cast<int>(row.integer(0)), row.text(1)});
  });
  if (!read) return tl::unexpected(read.error());
  return chunks;
}

Result<std::vector<int64_t>> StudyStore::add_trials(std::span<const StoredTrial> trials) {
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  Result<Statement> insert =
      database_.prepare("INSERT OR IGNORE INTO trial(key, kind, what) VALUES(?, ?, ?)");
  Result<Statement> select = database_.prepare("SELECT id FROM trial WHERE key = ?");
  if (!insert) return tl::unexpected(insert.error());
  if (!select) return tl::unexpected(select.error());
  std::vector<int64_t> ids;
  for (const StoredTrial& trial : trials) {
    insert->bind(1, trial.key).bind(2, trial.kind).bind(3, trial.what);
    if (Result<void> done = insert->run(); !done) return tl::unexpected(done.error());
    select->bind(1, trial.key);
    const Result<bool> row = select->step();
    if (!row) return tl::unexpected(row.error());
    ids.push_back(select->integer(0));
    select->reset();
  }
  if (Result<void> done = transaction->commit(); !done) return tl::unexpected(done.error());
  return ids;
}

Result<std::vector<StoredTrial>> StudyStore::trials() {
  Result<Statement> select = database_.prepare(
      "SELECT id, key, kind, what, value_count, changed, relative_mse FROM trial ORDER BY id");
  if (!select) return tl::unexpected(select.error());
  std::vector<StoredTrial> trials;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    StoredTrial trial{row.integer(0), row.text(1), row.text(2), row.text(3), {}};
    if (!row.is_null(4))
      trial.change = WeightChange{static_cast<uint64_t>(row.integer(4)),
                                  static_cast<uint64_t>(row.integer(5)), row.real(6)};
    trials.push_back(std::move(trial));
  });
  if (!read) return tl::unexpected(read.error());
  return trials;
}

Result<int64_t> StudyStore::add_sweep(const StoredSweep& sweep, std::span<const StoredCell> cells,
                                      std::span<const int64_t> joint_floors) {
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  // The same words can mean other trials by now: an imatrix of the same name with other content.
  for (const char* table : {"cell_floor", "cell"}) {
    Result<Statement> clear = database_.prepare(
        fmt::format("DELETE FROM {} WHERE sweep = (SELECT id FROM sweep WHERE request = ?)", table));
    if (!clear) return tl::unexpected(clear.error());
    clear->bind(1, sweep.request);
    if (Result<void> cleared = clear->run(); !cleared) return tl::unexpected(cleared.error());
  }
  Result<Statement> insert = database_.prepare(
      "INSERT INTO sweep(request, command, created) VALUES(?, ?, ?) ON CONFLICT(request) DO UPDATE SET "
      "id = coalesce((SELECT max(id) + 1 FROM sweep WHERE request <> excluded.request), id), "
      "command = excluded.command, finished = ''");
  if (!insert) return tl::unexpected(insert.error());
  insert->bind(1, sweep.request)
      .bind(2, nlohmann::json(sweep.command).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
      .bind(3, sweep.created);
  if (Result<void> done = insert->run(); !done) return tl::unexpected(done.error());
  Result<Statement> select = database_.prepare("SELECT id FROM sweep WHERE request = ?");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, sweep.request);
  if (const Result<bool> row = select->step(); !row) return tl::unexpected(row.error());
  const int64_t id = select->integer(0);
  select->reset();
  Result<Statement> add = database_.prepare("INSERT INTO cell VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!add) return tl::unexpected(add.error());
  Result<Statement> add_floor = database_.prepare("INSERT OR IGNORE INTO cell_floor VALUES(?, ?, ?)");
  if (!add_floor) return tl::unexpected(add_floor.error());
  const auto add_floors = [&](int64_t position, std::span<const int64_t> floors) -> Result<void> {
    for (const int64_t floor : floors) {
      add_floor->bind(1, id).bind(2, position).bind(3, floor);
      if (Result<void> done = add_floor->run(); !done) return done;
    }
    return {};
  };
  Result<void> done = add_floors(kJoint, joint_floors);
  for (size_t i = 0; done && i < cells.size(); ++i) {
    const StoredCell& cell = cells[i];
    const auto position = static_cast<int64_t>(i);
    add->bind(1, id).bind(2, position).bind(3, cell.format).bind(4, cell.mode);
    add->bind(5, cell.grouping).bind(6, cell.label).bind_or_null(7, cell.layer).bind(8, cell.kind);
    add->bind(9, cell.trial).bind(10, fmt::format("{}", fmt::join(cell.tensors, "\n")));
    add->bind(11, static_cast<int64_t>(cell.values)).bind(12, cell.selector);
    done = add->run();
    if (done) done = add_floors(position, cell.own_floors);
  }
  if (done) done = transaction->commit();
  if (!done) return tl::unexpected(done.error());
  return id;
}

Result<std::vector<StoredSweep>> StudyStore::sweeps() {
  Result<Statement> select =
      database_.prepare("SELECT id, request, command, created, finished FROM sweep ORDER BY id");
  if (!select) return tl::unexpected(select.error());
  std::vector<StoredSweep> sweeps;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    StoredSweep sweep{row.integer(0), row.text(1), {}, row.text(3), row.text(4)};
    const nlohmann::json command = nlohmann::json::parse(row.text(2), nullptr, /*allow_exceptions=*/false);
    if (command.is_array())
      for (const nlohmann::json& word : command)
        if (word.is_string()) sweep.command.push_back(word.get<std::string>());
    sweeps.push_back(std::move(sweep));
  });
  if (!read) return tl::unexpected(read.error());
  return sweeps;
}

Result<std::map<int64_t, std::vector<int64_t>>> StudyStore::floors(int64_t sweep) {
  Result<Statement> select =
      database_.prepare("SELECT position, trial FROM cell_floor WHERE sweep = ? ORDER BY position, trial");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, sweep);
  std::map<int64_t, std::vector<int64_t>> floors;
  const Result<void> read =
      select->for_each_row([&](const Statement& row) { floors[row.integer(0)].push_back(row.integer(1)); });
  if (!read) return tl::unexpected(read.error());
  return floors;
}

Result<std::vector<int64_t>> StudyStore::joint_floors(int64_t sweep) {
  Result<std::map<int64_t, std::vector<int64_t>>> all = floors(sweep);
  if (!all) return tl::unexpected(all.error());
  return std::move((*all)[kJoint]);
}

Result<std::vector<StoredCell>> StudyStore::cells(int64_t sweep) {
  Result<Statement> select = database_.prepare(
      "SELECT format, mode, grouping, label, layer, kind, trial, tensors, value_count, selector, position "
      "FROM cell WHERE sweep = ? ORDER BY position");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, sweep);
  Result<std::map<int64_t, std::vector<int64_t>>> own = floors(sweep);
  if (!own) return tl::unexpected(own.error());
  std::vector<StoredCell> cells;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    StoredCell cell{row.text(0), row.text(1), row.text(2), row.text(3), {}, row.text(5)};
    if (!row.is_null(4)) cell.layer = static_cast<int>(row.integer(4));
    cell.trial = row.integer(6);
    std::istringstream tensors(row.text(7));
    for (std::string name; std::getline(tensors, name);) cell.tensors.push_back(name);
    cell.values = static_cast<uint64_t>(row.integer(8));
    cell.selector = row.text(9);
    cell.own_floors = std::move((*own)[row.integer(10)]);
    cells.push_back(std::move(cell));
  });
  if (!read) return tl::unexpected(read.error());
  return cells;
}

Result<void> StudyStore::finish_sweep(const std::string& request) {
  Result<Statement> update = database_.prepare("UPDATE sweep SET finished = ? WHERE request = ?");
  if (!update) return tl::unexpected(update.error());
  update->bind(1, utc_now()).bind(2, request);
  return update->run();
}

}  // namespace fqlab
