#include "study/study_schema.h"

#include <fmt/format.h>

#include <array>

namespace fqlab {
namespace {

constexpr int64_t kApplicationId = 0x66716c62;  // "fqlb"

// migrations[v] brings user_version v to v + 1. Never edit one that was released: append.
// Times are in tables of their own: what `result` holds does not depend on when or where it was measured.
constexpr std::array kMigrations = {
    R"sql(
CREATE TABLE property(name TEXT PRIMARY KEY, value TEXT NOT NULL, identity INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE chunk(number INTEGER PRIMARY KEY, cluster INTEGER NOT NULL, tokens_sha256 TEXT NOT NULL) STRICT;
CREATE TABLE trial(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, what TEXT NOT NULL,
  value_count INTEGER, changed INTEGER, relative_mse REAL) STRICT;
CREATE TABLE result(trial INTEGER NOT NULL REFERENCES trial(id), chunk INTEGER NOT NULL REFERENCES chunk(number),
  positions INTEGER NOT NULL, kl REAL NOT NULL, kl_max REAL NOT NULL, nll_original REAL NOT NULL,
  nll_variant REAL NOT NULL, nll_difference REAL NOT NULL, delta_p REAL NOT NULL, delta_p_squared REAL NOT NULL,
  same_top INTEGER NOT NULL, original_right INTEGER NOT NULL, variant_right INTEGER NOT NULL,
  right_to_wrong INTEGER NOT NULL, wrong_to_right INTEGER NOT NULL, logits_identical INTEGER NOT NULL,
  PRIMARY KEY(trial, chunk)) STRICT, WITHOUT ROWID;
CREATE TABLE timing(trial INTEGER NOT NULL, chunk INTEGER NOT NULL, seconds REAL NOT NULL, finished TEXT NOT NULL,
  PRIMARY KEY(trial, chunk)) STRICT, WITHOUT ROWID;
CREATE TABLE failure(trial INTEGER PRIMARY KEY REFERENCES trial(id), chunk INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE TABLE owner(id INTEGER PRIMARY KEY, boot TEXT NOT NULL, pid INTEGER NOT NULL, started INTEGER NOT NULL) STRICT;
CREATE TABLE claim(trial INTEGER NOT NULL, chunk INTEGER NOT NULL, owner INTEGER NOT NULL REFERENCES owner(id),
  PRIMARY KEY(trial, chunk)) STRICT, WITHOUT ROWID;
CREATE TABLE sweep(id INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, command TEXT NOT NULL, created TEXT NOT NULL,
  finished TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE cell(sweep INTEGER NOT NULL REFERENCES sweep(id), position INTEGER NOT NULL, format TEXT NOT NULL,
  mode TEXT NOT NULL, grouping TEXT NOT NULL, label TEXT NOT NULL, layer INTEGER, kind TEXT NOT NULL,
  trial INTEGER NOT NULL REFERENCES trial(id), tensors TEXT NOT NULL, value_count INTEGER NOT NULL,
  selector TEXT NOT NULL,
  PRIMARY KEY(sweep, position)) STRICT, WITHOUT ROWID;
CREATE TABLE cell_floor(sweep INTEGER NOT NULL REFERENCES sweep(id), position INTEGER NOT NULL,
  trial INTEGER NOT NULL REFERENCES trial(id), PRIMARY KEY(sweep, position, trial)) STRICT, WITHOUT ROWID;
)sql"};
constexpr auto kVersion = static_cast<int64_t>(kMigrations.size());

Error not_a_study(const Database& database) {
  return {ErrorCode::kInput, "this file is a database, but no study of fqlab", database.path(),
          "give the file that fqlab sweep wrote, or another name for a new one"};
}

Error too_new(const Database& database, int64_t version) {
  return {ErrorCode::kInput,
          fmt::format("the study has version {}, this fqlab knows versions up to {}", version, kVersion),
          database.path(), "use the fqlab that wrote it, or a newer one"};
}

}  // namespace

Result<void> check_schema(Database& database) {
  const Result<int64_t> id = database.number("PRAGMA application_id");
  if (!id) return tl::unexpected(id.error());
  if (*id != kApplicationId) return tl::unexpected(not_a_study(database));
  const Result<int64_t> version = database.number("PRAGMA user_version");
  if (!version) return tl::unexpected(version.error());
  if (*version > kVersion) return tl::unexpected(too_new(database, *version));
  return {};
}

Result<bool> holds_study(Database& database) {
  const Result<int64_t> tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tl::unexpected(tables.error());
  if (*tables == 0) return false;
  if (Result<void> study = check_schema(database); !study) return tl::unexpected(study.error());
  return true;
}

Result<void> prepare_schema(Database& database) {
  // Looked at before anything is changed: another program's database keeps its journal mode.
  if (const Result<bool> study = holds_study(database); !study) return tl::unexpected(study.error());
  if (Result<void> mode = database.run("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON"); !mode)
    return mode;
  const Result<int64_t> stored = database.number("PRAGMA user_version");
  if (!stored) return tl::unexpected(stored.error());
  if (*stored == kVersion) return {};  // who only reads need not be allowed to write
  // Each of these may be run again: where two processes make the file, one has to wait.
  if (Result<void> mode = database.run("PRAGMA journal_mode = WAL"); !mode) return mode;
  Result<Transaction> transaction = Transaction::begin(database);
  if (!transaction) return tl::unexpected(transaction.error());
  const Result<int64_t> version = database.number("PRAGMA user_version");
  if (!version) return tl::unexpected(version.error());
  for (int64_t v = *version; v < kVersion; ++v)
    if (Result<void> done = database.run(kMigrations[static_cast<size_t>(v)]); !done) return done;
  if (*version < kVersion)
    if (Result<void> marked = database.run(
            fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kVersion)
                .c_str());
        !marked)
      return marked;
  return transaction->commit();
}

}  // namespace fqlab
