#include "plan/chunk_model.h"

#include <algorithm>
#include <cmath>

namespace fqlab {
namespace {

constexpr int kMostRounds = 100;
constexpr double kSettled = 1e-9;        // change of a log effect that ends the alternation
constexpr double kGuessedScatter = 0.3;  // until a cell has two chunks
constexpr double kSharedDegrees = 6;     // weight of the shared scatter beside a cell's own

// Measured chunks of one cell with a logarithm.
struct Logs {
  std::vector<std::pair<size_t, double>> of_chunk;
  double cell = 0;
  double squares = 0;
};

std::vector<Logs> take_logs(std::span<const CellEvidence> cells) {
  std::vector<Logs> logs(cells.size());
  for (size_t i = 0; i < cells.size(); ++i)
    for (size_t c = 0; c < cells[i].chunk_kl.size(); ++c)
      if (const auto& kl = cells[i].chunk_kl[c]; kl && *kl > 0)
        logs[i].of_chunk.emplace_back(c, std::log(*kl));
  return logs;
}

// Cells with one chunk follow it wherever it goes and say nothing of chunks.
std::vector<double> fit_chunk_effects(std::vector<Logs>& logs, size_t chunks) {
  std::vector<double> effect(chunks, 0), sum(chunks);
  std::vector<int> count(chunks);
  for (int round = 0; round < kMostRounds; ++round) {
    std::ranges::fill(sum, 0);
    std::ranges::fill(count, 0);
    for (Logs& cell : logs) {
      if (cell.of_chunk.empty()) continue;
      cell.cell = 0;
      for (const auto& [chunk, log] : cell.of_chunk) cell.cell += log - effect[chunk];
      cell.cell /= static_cast<double>(cell.of_chunk.size());
      if (cell.of_chunk.size() < 2) continue;
      for (const auto& [chunk, log] : cell.of_chunk) {
        sum[chunk] += log - cell.cell;
        ++count[chunk];
      }
    }
    double change = 0;
    for (size_t c = 0; c < chunks; ++c) {
      if (count[c] == 0) continue;
      const double next = sum[c] / count[c];
      change = std::max(change, std::abs(next - effect[c]));
      effect[c] = next;
    }
    if (change < kSettled) break;
  }
  return effect;
}

}  // namespace

double CellEstimate::log_error(int of) const {
  if (chunks == 0) return HUGE_VAL;
  return scatter * std::sqrt(std::max(0.0, 1.0 / chunks - 1.0 / of));
}

ChunkModel fit_chunk_model(std::span<const CellEvidence> cells) {
  size_t chunks = 0;
  for (const CellEvidence& cell : cells) chunks = std::max(chunks, cell.chunk_kl.size());
  std::vector<Logs> logs = take_logs(cells);
  const std::vector<double> effect = fit_chunk_effects(logs, chunks);

  std::vector<bool> seen(chunks, false);
  for (const CellEvidence& cell : cells)
    for (size_t c = 0; c < cell.chunk_kl.size(); ++c) seen[c] = seen[c] || cell.chunk_kl[c];
  ChunkModel model;
  model.chunk_effect.resize(chunks);
  double mean_effect = 0, mean_factor = 0, seen_chunks = 0;
  for (size_t c = 0; c < chunks; ++c)
    if (seen[c]) {
      mean_effect += effect[c];
      mean_factor += std::exp(effect[c]);
      ++seen_chunks;
    }
  if (seen_chunks > 0) {
    mean_effect /= seen_chunks;
    mean_factor /= seen_chunks;
  }
  for (size_t c = 0; c < chunks; ++c)
    if (seen[c]) model.chunk_effect[c] = effect[c] - mean_effect;

  double squares = 0;
  for (Logs& cell : logs) {
    if (cell.of_chunk.size() < 2) continue;
    double mean = 0;
    for (const auto& [chunk, log] : cell.of_chunk) mean += log - effect[chunk];
    mean /= static_cast<double>(cell.of_chunk.size());
    for (const auto& [chunk, log] : cell.of_chunk)
      cell.squares += (log - effect[chunk] - mean) * (log - effect[chunk] - mean);
    squares += cell.squares;
    model.degrees += static_cast<double>(cell.of_chunk.size()) - 1;
  }
  model.degrees = std::max(0.0, model.degrees - std::max(0.0, seen_chunks - 1));
  model.scatter = model.degrees > 0 ? std::sqrt(squares / model.degrees) : kGuessedScatter;

  for (size_t i = 0; i < cells.size(); ++i) {
    CellEstimate estimate;
    double sum = 0, factors = 0;
    for (size_t c = 0; c < cells[i].chunk_kl.size(); ++c)
      if (const auto& kl = cells[i].chunk_kl[c]) {
        sum += *kl;
        factors += std::exp(effect[c]);
        ++estimate.chunks;
      }
    if (estimate.chunks > 0) estimate.kl = sum / factors * mean_factor;
    const double own_degrees = std::max(0.0, static_cast<double>(logs[i].of_chunk.size()) - 1);
    estimate.scatter = std::sqrt((kSharedDegrees * model.scatter * model.scatter + logs[i].squares) /
                                 (kSharedDegrees + own_degrees));
    if (model.degrees > 0) estimate.degrees = std::min(kSharedDegrees, model.degrees) + own_degrees;
    model.cells.push_back(estimate);
  }
  return model;
}

}  // namespace fqlab
