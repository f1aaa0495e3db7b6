#include "study/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <limits>

#include "base/stopwatch.h"

namespace fqlab {
namespace {

constexpr int kBusyMilliseconds = 60'000;  // another sweep's transaction takes milliseconds
constexpr int kRetryMilliseconds = 10;

Error explain(int code, sqlite3* connection, const std::string& path) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
      if ((code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMSIZE ||
          code == SQLITE_IOERR_FSYNC)
        return {ErrorCode::kSystem, "the study cannot be written: the disk is full", path,
                "everything measured before is kept; make room and run the same command again"};
      return {ErrorCode::kSystem, "the disk failed while reading or writing the study", path,
              "everything measured before is kept; see the system's log"};
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return {ErrorCode::kInput, "this file is not a study of fqlab", path,
              "give the file that fqlab sweep wrote, or another name for a new one"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kSystem, "another program keeps the study locked", path,
              "close what has the file open and run the same command again"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {ErrorCode::kSystem, "the study cannot be written", path,
              "check the permissions of the file and its folder"};
    case SQLITE_CANTOPEN:
      return {ErrorCode::kSystem, "the study cannot be opened", path,
              "check the path and the permissions of its folder"};
    case SQLITE_NOMEM:
      return {ErrorCode::kSystem, "not enough memory for the study", path, ""};
    default:
      return {ErrorCode::kSystem, std::string("SQLite refused: ") + sqlite3_errmsg(connection), path, ""};
  }
}

/// A database in a folder that may not be written, with nothing beside it that is still to be taken in:
/// SQLite would make files there even for a reader, unless it is told that nobody writes.
bool is_only_for_reading(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code ignored;
  return faccessat(AT_FDCWD, folder.c_str(), W_OK, AT_EACCESS) != 0 &&
         !std::filesystem::exists(path.string() + "-wal", ignored);
}

/// SQLite's name for such a database.
std::string immutable_name(const std::filesystem::path& path) {
  std::string name = "file:";
  for (const char c : path.string())
    name += c == '%' ? "%25" : c == '?' ? "%3f" : c == '#' ? "%23" : std::string(1, c);
  return name + "?immutable=1";
}

}  // namespace

Statement::Statement(std::shared_ptr<sqlite3> connection, sqlite3_stmt* statement, std::string path)
    : connection_(std::move(connection)),
      statement_(statement, [](sqlite3_stmt* s) { sqlite3_finalize(s); }),
      path_(std::move(path)) {}

Statement& Statement::bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
  return *this;
}
Statement& Statement::bind(int parameter, double value) {
  sqlite3_bind_double(statement_.get(), parameter, value);
  return *this;
}
Statement& Statement::bind(int parameter, std::string_view text) {
  sqlite3_bind_text(statement_.get(), parameter, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::bind_or_null(int parameter, std::optional<int> value) {
  if (value) return bind(parameter, int64_t{*value});
  sqlite3_bind_null(statement_.get(), parameter);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const Error error = explain(sqlite3_extended_errcode(connection_.get()), connection_.get(), path_);
  sqlite3_reset(statement_.get());
  return tl::unexpected(error);
}

Result<void> Statement::run() {
  const Result<bool> done = step();
  if (!done) return tl::unexpected(done.error());
  reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const {
  return is_null(column) ? std::numeric_limits<double>::quiet_NaN()
                         : sqlite3_column_double(statement_.get(), column);
}
std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text == nullptr
             ? std::string()
             : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Result<Database> Database::open(const std::filesystem::path& path, Open how) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(ErrorCode::kUsage, "a study is a file, this is a folder", path.string());
  if (how == Open::kExisting && !std::filesystem::exists(path, ignored))
    return fail(ErrorCode::kSystem, "there is no such study", path.string(),
                "give the file that fqlab sweep wrote");
  sqlite3* raw = nullptr;
  const bool read_only = how == Open::kExisting && is_only_for_reading(path);
  const int flags = read_only              ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
                    : how == Open::kCreate ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                           : SQLITE_OPEN_READWRITE;
  const int code =
      sqlite3_open_v2(read_only ? immutable_name(path).c_str() : path.c_str(), &raw, flags, nullptr);
  std::shared_ptr<sqlite3> connection(raw, [](sqlite3* c) { sqlite3_close_v2(c); });
  if (code != SQLITE_OK) return tl::unexpected(explain(code, raw, path.string()));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  return Database(std::move(connection), path.string());
}

Result<void> Database::run(const char* sql) {
  // SQLite does not wait for every lock by itself: not where two processes make one file at the same time.
  const Stopwatch stopwatch;
  do {
    const int code = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return {};
    if ((code & 0xff) != SQLITE_BUSY) break;
    sqlite3_sleep(kRetryMilliseconds);
  } while (stopwatch.seconds() * 1000 < kBusyMilliseconds);
  return tl::unexpected(explain(sqlite3_extended_errcode(connection_.get()), connection_.get(), path_));
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
      SQLITE_OK)
    return tl::unexpected(explain(sqlite3_extended_errcode(connection_.get()), connection_.get(), path_));
  return Statement(connection_, statement, path_);
}

Result<int64_t> Database::number(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  const Result<bool> row = statement->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? statement->integer(0) : int64_t{0};
}

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(connection_.get()); }

Result<Transaction> Transaction::begin(Database& database) {
  if (Result<void> begun = database.run("BEGIN IMMEDIATE"); !begun) return tl::unexpected(begun.error());
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->run("ROLLBACK");
}

Result<void> Transaction::commit() {
  if (Result<void> done = database_->run("COMMIT"); !done) return done;
  database_ = nullptr;
  return {};
}

}  // namespace fqlab
