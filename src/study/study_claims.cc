// The part of the study that processes share: who measures what, and what came out.
#include <array>

#include "base/system.h"
#include "study/study_store.h"

namespace fqlab {
namespace {

constexpr const char* kResultColumns =
    "positions, kl, kl_max, nll_original, nll_variant, nll_difference, delta_p, delta_p_squared, same_top, "
    "original_right, variant_right, right_to_wrong, wrong_to_right, logits_identical";

void bind_measured(Statement& statement, int at, const MeasuredChunk& measured) {
  const PairedSums& sums = measured.sums;
  const std::array reals = {sums.kl_nats,          measured.kl_max_nats,     sums.nll_original_nats,
                            sums.nll_variant_nats, sums.nll_difference_nats, sums.delta_p,
                            sums.delta_p_squared};
  const std::array counts = {sums.same_top, sums.original_right, sums.variant_right, sums.right_to_wrong,
                             sums.wrong_to_right};
  statement.bind(at++, static_cast<int64_t>(sums.n));
  for (const double value : reals) statement.bind(at++, value);
  for (const uint64_t count : counts) statement.bind(at++, static_cast<int64_t>(count));
  statement.bind(at, int64_t{measured.logits_identical});
}

MeasuredChunk read_measured(const Statement& row, int at) {
  MeasuredChunk measured;
  PairedSums& sums = measured.sums;
  sums.n = static_cast<uint64_t>(row.integer(at++));
  for (double* value : {&sums.kl_nats, &measured.kl_max_nats, &sums.nll_original_nats, &sums.nll_variant_nats,
                        &sums.nll_difference_nats, &sums.delta_p, &sums.delta_p_squared})
    *value = row.real(at++);
  for (uint64_t* count : {&sums.same_top, &sums.original_right, &sums.variant_right, &sums.right_to_wrong,
                          &sums.wrong_to_right})
    *count = static_cast<uint64_t>(row.integer(at++));
  measured.logits_identical = row.integer(at) != 0;
  return measured;
}

Result<void> run_for(Database& database, const char* sql, int64_t trial, int chunk) {
  Result<Statement> statement = database.prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  statement->bind(1, trial).bind(2, int64_t{chunk});
  return statement->run();
}

}  // namespace

Result<int64_t> StudyStore::own_id() {
  if (owner_) return *owner_;
  const ProcessIdentity me = this_process();
  Result<Statement> insert = database_.prepare("INSERT INTO owner(boot, pid, started) VALUES(?, ?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  insert->bind(1, me.boot).bind(2, me.pid).bind(3, me.started);
  if (Result<void> done = insert->run(); !done) return tl::unexpected(done.error());
  owner_ = database_.last_insert_id();
  return *owner_;
}

Result<StudyStore::Claim> StudyStore::claim(int64_t trial, int chunk) {
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  Result<Statement> result = database_.prepare("SELECT 1 FROM result WHERE trial = ? AND chunk = ?");
  if (!result) return tl::unexpected(result.error());
  result->bind(1, trial).bind(2, int64_t{chunk});
  const Result<bool> done = result->step();
  if (!done) return tl::unexpected(done.error());
  if (*done) return Claim::kDone;
  result->reset();
  const Result<bool> failed = has_failed(trial);
  if (!failed) return tl::unexpected(failed.error());
  if (*failed) return Claim::kFailed;
  Result<Statement> holder = database_.prepare(
      "SELECT boot, pid, started, owner FROM claim JOIN owner ON owner.id = claim.owner WHERE trial = ? AND "
      "chunk = ?");
  if (!holder) return tl::unexpected(holder.error());
  holder->bind(1, trial).bind(2, int64_t{chunk});
  const Result<bool> held = holder->step();
  if (!held) return tl::unexpected(held.error());
  if (*held && holder->integer(3) != owner_.value_or(-1) &&
      is_alive({holder->text(0), holder->integer(1), holder->integer(2)}))
    return Claim::kTaken;
  holder->reset();
  const Result<int64_t> me = own_id();
  if (!me) return tl::unexpected(me.error());
  Result<Statement> insert = database_.prepare("INSERT OR REPLACE INTO claim VALUES(?, ?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  insert->bind(1, trial).bind(2, int64_t{chunk}).bind(3, *me);
  Result<void> written = insert->run();
  if (written) written = transaction->commit();
  if (!written) {
    owner_.reset();  // its row went with the transaction
    return tl::unexpected(written.error());
  }
  return Claim::kMine;
}

Result<void> StudyStore::save(int64_t trial, int chunk, const MeasuredChunk& measured,
                              const WeightChange& change, double seconds) {
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  Result<Statement> insert =
      // A process that cannot see ours (another container) may have taken our claim for a dead one's.
      database_.prepare(
          "INSERT OR IGNORE INTO result VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  insert->bind(1, trial).bind(2, int64_t{chunk});
  bind_measured(*insert, 3, measured);
  if (Result<void> done = insert->run(); !done) return done;
  Result<Statement> update =
      database_.prepare("UPDATE trial SET value_count = ?, changed = ?, relative_mse = ? WHERE id = ?");
  if (!update) return tl::unexpected(update.error());
  update->bind(1, static_cast<int64_t>(change.values)).bind(2, static_cast<int64_t>(change.changed));
  update->bind(3, change.relative_mse).bind(4, trial);
  if (Result<void> done = update->run(); !done) return done;
  Result<Statement> timing = database_.prepare("INSERT OR REPLACE INTO timing VALUES(?, ?, ?, ?)");
  if (!timing) return tl::unexpected(timing.error());
  timing->bind(1, trial).bind(2, int64_t{chunk}).bind(3, seconds).bind(4, utc_now());
  if (Result<void> done = timing->run(); !done) return done;
  if (Result<void> done = run_for(database_, "DELETE FROM claim WHERE trial = ? AND chunk = ?", trial, chunk);
      !done)
    return done;
  return transaction->commit();
}

Result<void> StudyStore::save_failure(int64_t trial, int chunk, const std::string& reason) {
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  Result<Statement> insert = database_.prepare("INSERT OR IGNORE INTO failure VALUES(?, ?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  insert->bind(1, trial).bind(2, int64_t{chunk}).bind(3, reason);
  if (Result<void> done = insert->run(); !done) return done;
  if (Result<void> done = run_for(database_, "DELETE FROM claim WHERE trial = ? AND chunk = ?", trial, chunk);
      !done)
    return done;
  return transaction->commit();
}

Result<void> StudyStore::forget(int64_t trial, int chunk) {
  return run_for(database_, "DELETE FROM result WHERE trial = ? AND chunk = ?", trial, chunk);
}

Result<std::optional<WeightChange>> StudyStore::change(int64_t trial) {
  Result<Statement> select = database_.prepare(
      "SELECT value_count, changed, relative_mse FROM trial WHERE id = ? AND changed NOT NULL");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, trial);
  const Result<bool> row = select->step();
  if (!row) return tl::unexpected(row.error());
  if (!*row) return std::optional<WeightChange>();
  return std::optional(WeightChange{static_cast<uint64_t>(select->integer(0)),
                                    static_cast<uint64_t>(select->integer(1)), select->real(2)});
}

Result<bool> StudyStore::has_failed(int64_t trial) {
  Result<Statement> select = database_.prepare("SELECT 1 FROM failure WHERE trial = ?");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, trial);
  return select->step();
}

Result<void> StudyStore::forget_failures() { return database_.run("DELETE FROM failure"); }

Result<void> StudyStore::release() {
  if (!owner_) return {};
  Result<Transaction> transaction = Transaction::begin(database_);
  if (!transaction) return tl::unexpected(transaction.error());
  for (const char* sql : {"DELETE FROM claim WHERE owner = ?", "DELETE FROM owner WHERE id = ?"}) {
    Result<Statement> statement = database_.prepare(sql);
    if (!statement) return tl::unexpected(statement.error());
    statement->bind(1, *owner_);
    if (Result<void> done = statement->run(); !done) return done;
  }
  owner_.reset();
  return transaction->commit();
}

Result<std::optional<MeasuredChunk>> StudyStore::result(int64_t trial, int chunk) {
  Result<Statement> select = database_.prepare(std::string("SELECT ") + kResultColumns +
                                               " FROM result WHERE trial = ? AND chunk = ?");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, trial).bind(2, int64_t{chunk});
  const Result<bool> row = select->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? std::optional(read_measured(*select, 0)) : std::nullopt;
}

Result<std::vector<StoredResult>> StudyStore::results() {
  Result<Statement> select = database_.prepare(std::string("SELECT trial, chunk, ") + kResultColumns +
                                               " FROM result ORDER BY trial, chunk");
  if (!select) return tl::unexpected(select.error());
  std::vector<StoredResult> results;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    results.push_back({row.integer(0), static_cast<int>(row.integer(1)), read_measured(row, 2)});
  });
  if (!read) return tl::unexpected(read.error());
  return results;
}

Result<std::vector<StoredFailure>> StudyStore::failures() {
  Result<Statement> select = database_.prepare("SELECT trial, chunk, reason FROM failure ORDER BY trial");
  if (!select) return tl::unexpected(select.error());
  std::vector<StoredFailure> failures;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    failures.push_back({row.integer(0), static_cast<int>(row.integer(1)), row.text(2)});
  });
  if (!read) return tl::unexpected(read.error());
  return failures;
}

Result<int64_t> StudyStore::running() {
  Result<Statement> select =
      database_.prepare("SELECT boot, pid, started FROM claim JOIN owner ON owner.id = claim.owner");
  if (!select) return tl::unexpected(select.error());
  int64_t living = 0;
  const Result<void> read = select->for_each_row([&](const Statement& row) {
    living += is_alive({row.text(0), row.integer(1), row.integer(2)});
  });
  if (!read) return tl::unexpected(read.error());
  return living;
}

Result<double> StudyStore::measured_seconds() {
  Result<Statement> select = database_.prepare("SELECT coalesce(sum(seconds), 0) FROM timing");
  if (!select) return tl::unexpected(select.error());
  const Result<bool> row = select->step();
  if (!row) return tl::unexpected(row.error());
  return select->real(0);
}

}  // namespace fqlab
