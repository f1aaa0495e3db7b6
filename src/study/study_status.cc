#include "study/study_status.h"

#include <map>
#include <set>

#include "study/study_store.h"

namespace fqlab {
namespace {

Result<SweepStatus> status_of(StudyStore& store, const StoredSweep& sweep, const std::set<int64_t>& measured,
                              const std::set<int64_t>& failed) {
  const Result<std::vector<StoredCell>> cells = store.cells(sweep.id);
  if (!cells) return tl::unexpected(cells.error());
  SweepStatus status{sweep.request, sweep.command, !sweep.finished.empty()};
  for (const StoredCell& cell : *cells) {
    ++status.cells;
    if (failed.contains(cell.trial))
      ++status.cells_failed;
    else if (measured.contains(cell.trial))
      ++status.cells_measured;
    else
      ++status.cells_open;
  }
  return status;
}

}  // namespace

Result<StudyStatus> read_status(const std::filesystem::path& study) {
  Result<StudyStore> store = StudyStore::open(study);
  if (!store) return tl::unexpected(store.error());
  StudyStatus status;
  const Result<std::vector<StudyProperty>> properties = store->properties();
  if (!properties) return tl::unexpected(properties.error());
  std::map<std::string, std::string> property;
  for (const StudyProperty& p : *properties) property[p.name] = p.value;
  status.model = property["model"];
  status.corpus = property["corpus"];
  status.tokens_per_chunk = std::atoi(property["tokens_per_chunk"].c_str());
  const Result<std::vector<StudyChunk>> chunks = store->chunks();
  if (!chunks) return tl::unexpected(chunks.error());
  status.chunks = chunks->size();

  const Result<std::vector<StoredResult>> results = store->results();
  if (!results) return tl::unexpected(results.error());
  std::set<int64_t> measured, failed;
  for (const StoredResult& result : *results) {
    measured.insert(result.trial);
    status.positions += result.measured.sums.n;
  }
  status.trials = measured.size();
  status.runs = results->size();
  const Result<std::vector<StoredFailure>> failures = store->failures();
  if (!failures) return tl::unexpected(failures.error());
  const Result<std::vector<StoredTrial>> trials = store->trials();
  if (!trials) return tl::unexpected(trials.error());
  std::map<int64_t, std::string> what;
  for (const StoredTrial& trial : *trials) what[trial.id] = trial.what;
  for (const StoredFailure& failure : *failures) {
    failed.insert(failure.trial);
    status.failures.push_back({what[failure.trial], failure.reason});
  }
  const Result<int64_t> running = store->running();
  if (!running) return tl::unexpected(running.error());
  status.running = static_cast<uint64_t>(*running);
  const Result<double> seconds = store->measured_seconds();
  if (!seconds) return tl::unexpected(seconds.error());
  status.seconds = *seconds;
  const Result<std::vector<StoredSweep>> sweeps = store->sweeps();
  if (!sweeps) return tl::unexpected(sweeps.error());
  for (const StoredSweep& sweep : *sweeps) {
    Result<SweepStatus> one = status_of(*store, sweep, measured, failed);
    if (!one) return tl::unexpected(one.error());
    status.sweeps.push_back(std::move(*one));
  }
  return status;
}

}  // namespace fqlab
