// fqlab's side of check_allocation.py: what a sweep would measure of a map that is known, and what it would
// find.
//   allocation_oracle race TOP SEEDS < MAP       races for the largest, the chunks in another order each time
//     ->  {"weakest": [of each seed], "share_of_tokens": [of each seed]}
//   allocation_oracle map SEEDS < [MAP, ...]     default maps, a format each, with other cells as pilots each
//   time
//     ->  [{"spearman": [of each seed], "share_of_tokens": [of each seed]} of each format]
// MAP: {"kl": [[of each chunk] of each cell], "cost": [of each cell]}
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "plan/simulated_map.h"

namespace {

using namespace fqlab;
using nlohmann::json;
using testing::MeasuredMap;
using testing::TrueMap;

TrueMap read_map(const json& given) { return {given["kl"], given["cost"]}; }
int chunks_of(const TrueMap& map) { return static_cast<int>(map.kl.front().size()); }

/// As `fqlab sweep --top` with --chunks half of the map's.
json race(const TrueMap& map, int top, uint64_t seeds) {
  const int chunks = chunks_of(map);
  AllocationGoal goal;
  goal.kind = AllocationGoal::Kind::kTop;
  goal.top = top;
  goal.chunks = chunks;
  goal.budget_chunks = chunks / 2;
  json answer;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const MeasuredMap raced = testing::measure(testing::shuffle_chunks(map, seed), goal);
    answer["weakest"].push_back(testing::weakest_winner(raced.kl, testing::truth(map, chunks), top));
    answer["share_of_tokens"].push_back(2 * raced.share_of_tokens);  // of every cell on half of the chunks
  }
  return answer;
}

json default_maps(const std::vector<TrueMap>& maps, uint64_t seeds) {
  AllocationGoal goal;
  goal.chunks = chunks_of(maps.front());
  json answer = json::array();
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    std::vector<TrueMap> shuffled;
    for (const TrueMap& map : maps) shuffled.push_back(testing::shuffle_cells(map, seed));
    const std::vector<MeasuredMap> measured = testing::measure_with_pilots(shuffled, goal);
    for (size_t m = 0; m < maps.size(); ++m) {
      const std::vector<double> truth = testing::truth(shuffled[m], goal.chunks);
      answer[m]["spearman"].push_back(testing::spearman(measured[m].kl, truth));
      answer[m]["share_of_tokens"].push_back(measured[m].share_of_tokens);
    }
  }
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  json answer;
  if (mode == "race" && argc == 4) {
    answer =
        race(read_map(json::parse(std::cin)), std::atoi(argv[2]), static_cast<uint64_t>(std::atoi(argv[3])));
  } else if (mode == "map" && argc == 3) {
    std::vector<TrueMap> maps;
    for (const json& map : json::parse(std::cin)) maps.push_back(read_map(map));
    answer = default_maps(maps, static_cast<uint64_t>(std::atoi(argv[2])));
  } else {
    return std::fputs("usage: allocation_oracle race TOP SEEDS < MAP | map SEEDS < MAPS\n", stderr), 2;
  }
  std::puts(answer.dump().c_str());
  return 0;
}
