// SQLite behind Result: the only header that knows its handles. One connection a process; never used after a
// fork.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fqlab/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace fqlab {

/// One prepared statement; parameters count from 1, columns from 0. A binding lives until the next reset().
class Statement {
 public:
  Statement& bind(int parameter, int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view text);
  /// NULL where absent.
  Statement& bind_or_null(int parameter, std::optional<int> value);

  /// True while there is a row to read, false at the end.
  Result<bool> step();
  /// take(*this) for every row.
  template <class Take>
  Result<void> for_each_row(const Take& take) {
    for (;;) {
      const Result<bool> row = step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) return {};
      take(*this);
    }
  }
  /// Runs a statement that gives no row, and makes it ready for the next bindings.
  Result<void> run();
  void reset();

  int64_t integer(int column) const;
  /// NULL reads as NaN.
  double real(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(std::shared_ptr<sqlite3> connection, sqlite3_stmt* statement, std::string path);
  std::shared_ptr<sqlite3> connection_;
  std::unique_ptr<sqlite3_stmt, void (*)(sqlite3_stmt*)> statement_;
  std::string path_;
};

class Database {
 public:
  enum class Open { kExisting, kCreate };

  /// Opens a file; nothing is read yet. kSystem where it cannot be opened or, with kExisting, is missing.
  static Result<Database> open(const std::filesystem::path& path, Open how);

  /// Several statements without rows, separated by ';'.
  Result<void> run(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  /// The first column of the first row, as a number.
  Result<int64_t> number(std::string_view sql);
  int64_t last_insert_id() const;
  const std::string& path() const { return path_; }

 private:
  Database(std::shared_ptr<sqlite3> connection, std::string path)
      : connection_(std::move(connection)), path_(std::move(path)) {}
  std::shared_ptr<sqlite3> connection_;
  std::string path_;
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back where commit() was not reached.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace fqlab
