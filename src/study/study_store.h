// The study: one SQLite file that remembers what was measured of one model on one text. Every change is one
// transaction, so a killed process loses at most the trial it was running. See docs/decisions/0005.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fqlab/result.h"
#include "study/database.h"
#include "study/measured.h"
#include "study/owner.h"

namespace fqlab {

/// One property of a study. Properties of its identity can change numbers: a sweep with another value is
/// refused.
struct StudyProperty {
  std::string name;
  std::string value;
  bool identity = false;
};

/// One chunk of the study's text.
struct StudyChunk {
  int cluster = 0;
  std::string tokens_sha256;
};

/// A trial as the store knows it.
struct StoredTrial {
  int64_t id = 0;
  std::string key;                     ///< hash of everything that can change its numbers
  std::string kind;                    ///< "recipe" or "floor"
  std::string what;                    ///< for people
  std::optional<WeightChange> change;  ///< absent until it was first run
};

/// What one sweep asked for, and one cell of what it asked for.
struct StoredSweep {
  int64_t id = 0;
  std::string request;               ///< canonical text: two sweeps with the same request are one sweep
  std::vector<std::string> command;  ///< what the person typed
  std::string created, finished;     ///< ISO 8601; `finished` is empty while something is left
};
struct StoredCell {
  std::string format;
  std::string mode;      ///< "only", "except", "front", "back" or "all"
  std::string grouping;  ///< "tensor", "kind", "layer", "layer-kind"
  std::string label;     ///< group: "blk.3.attn_q.weight", "attn_q", "layer 3", "3/attn_q"
  std::optional<int> layer;
  std::string kind;
  int64_t trial = 0;
  std::vector<std::string> tensors;  ///< of the group; with "except" those left as they are
  uint64_t values = 0;               ///< in them
  std::string selector;              ///< of the group; empty where there is none
  std::vector<int64_t> own_floors;   ///< trials that may have been run
};

struct StoredResult {
  int64_t trial = 0;
  int chunk = 0;
  MeasuredChunk measured;
};

struct StoredFailure {
  int64_t trial = 0;
  int chunk = 0;
  std::string reason;
};

class StudyStore {
 public:
  /// An existing study, for reading.
  static Result<StudyStore> open(const std::filesystem::path& path);
  /// An existing study of the same identity, or a new one. kUsage, saying what differs, for another identity;
  /// kInput for a file that is no study. `properties` hold the identity and what else is worth telling.
  static Result<StudyStore> open_or_create(const std::filesystem::path& path,
                                           std::span<const StudyProperty> properties);
  /// Whether open_or_create() would take the file; writes nothing. Errors as there.
  static Result<void> check(const std::filesystem::path& path, std::span<const StudyProperty> properties);

  Result<std::vector<StudyProperty>> properties();
  /// Adds what is missing; kInput where a chunk's tokens differ from the stored ones.
  Result<void> add_chunks(std::span<const StudyChunk> chunks);
  Result<std::vector<StudyChunk>> chunks();

  /// The trials' ids, in their order; those that are missing are added.
  Result<std::vector<int64_t>> add_trials(std::span<const StoredTrial> trials);
  Result<std::vector<StoredTrial>> trials();

  /// Registers a sweep with its cells, in place of the one with the same request; gives its id, which is
  /// above those of all others: sweeps are in the order in which they were last asked for. It counts as
  /// unfinished until finish_sweep().
  Result<int64_t> add_sweep(const StoredSweep& sweep, std::span<const StoredCell> cells,
                            std::span<const int64_t> joint_floors);
  Result<std::vector<StoredSweep>> sweeps();
  Result<std::vector<StoredCell>> cells(int64_t sweep);
  /// The floors of all its tensors together.
  Result<std::vector<int64_t>> joint_floors(int64_t sweep);
  /// Nothing is left to do. By its words, since another process may have asked for the same meanwhile.
  Result<void> finish_sweep(const std::string& request);

  enum class Claim { kMine, kDone, kTaken, kFailed };
  /// Takes a trial on a chunk for this process, unless it is measured, failed, or another living process is
  /// at it.
  Result<Claim> claim(int64_t trial, int chunk);
  /// Writes the result and gives the claim back.
  Result<void> save(int64_t trial, int chunk, const MeasuredChunk& measured, const WeightChange& change,
                    double seconds);
  Result<void> save_failure(int64_t trial, int chunk, const std::string& reason);
  /// Takes a result out again.
  Result<void> forget(int64_t trial, int chunk);
  /// Failures are forgotten, so that the next sweep tries again.
  Result<void> forget_failures();
  /// Gives all claims of this process back.
  Result<void> release();

  Result<std::optional<MeasuredChunk>> result(int64_t trial, int chunk);
  /// What a trial did to the weights; absent until it was first run.
  Result<std::optional<WeightChange>> change(int64_t trial);
  Result<bool> has_failed(int64_t trial);
  Result<std::vector<StoredResult>> results();
  Result<std::vector<StoredFailure>> failures();
  /// Claims of living processes.
  Result<int64_t> running();
  /// Seconds that trials took so far in all.
  Result<double> measured_seconds();

  const std::string& path() const { return database_.path(); }
  Database& database() { return database_; }

 private:
  explicit StudyStore(Database database) : database_(std::move(database)) {}
  Result<void> check_identity(std::span<const StudyProperty> properties);
  Result<int64_t> own_id();
  /// Trials by the position of their cell; the joint ones at a position of their own.
  Result<std::map<int64_t, std::vector<int64_t>>> floors(int64_t sweep);
  Database database_;
  std::optional<int64_t> owner_;
};

}  // namespace fqlab
