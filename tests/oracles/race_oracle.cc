// fqlab's side of check_race.py: races for the largest cells of a measured map, its chunks in another order
// each time.
//   race_oracle TOP SEEDS < {"kl": [[of each chunk] of each cell], "cost": [of each cell]}
//     ->  {"weakest": [of each seed], "share_of_tokens": [of each seed]}
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "plan/simulated_map.h"

int main(int argc, char** argv) {
  using namespace fqlab;
  if (argc != 3) return std::fputs("usage: race_oracle TOP SEEDS < MAP\n", stderr), 2;
  const int top = std::atoi(argv[1]);
  const auto seeds = static_cast<uint64_t>(std::atoi(argv[2]));
  const nlohmann::json given = nlohmann::json::parse(std::cin);
  const testing::TrueMap map{given["kl"], given["cost"]};
  const int chunks = static_cast<int>(map.kl.front().size());
  AllocationGoal goal;  // as `fqlab sweep --top` with --chunks half of these
  goal.kind = AllocationGoal::Kind::kTop;
  goal.top = top;
  goal.chunks = chunks;
  goal.budget_chunks = chunks / 2;
  nlohmann::json answer;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const testing::MeasuredMap raced = testing::measure(testing::shuffle_chunks(map, seed), goal);
    answer["weakest"].push_back(testing::weakest_winner(raced.kl, testing::truth(map, chunks), top));
    answer["share_of_tokens"].push_back(2 * raced.share_of_tokens);  // of every cell on half of the chunks
  }
  std::puts(answer.dump().c_str());
  return 0;
}
