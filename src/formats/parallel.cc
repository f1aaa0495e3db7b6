#include "formats/parallel.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

#include "formats/float_environment.h"

namespace fqlab {

void share_out(uint64_t items, uint64_t grain, int threads,
               const std::function<void(int worker, uint64_t begin, uint64_t end)>& work) {
  const auto run = [&work](int worker, uint64_t begin, uint64_t end) {
    const FloatEnvironment environment;
    if (begin < end) work(worker, begin, end);
  };
  const uint64_t grains = (items + grain - 1) / grain;
  const int workers =
      static_cast<int>(std::min<uint64_t>(std::max(threads, 1), std::max<uint64_t>(grains, 1)));
  const auto start_of = [&](int worker) {
    return std::min(items, grains * static_cast<uint64_t>(worker) / static_cast<uint64_t>(workers) * grain);
  };
  std::vector<std::thread> started;
  started.reserve(static_cast<size_t>(workers));
  for (int worker = 1; worker < workers; ++worker) {
    try {
      started.emplace_back(run, worker, start_of(worker), start_of(worker + 1));
    } catch (const std::system_error&) {
      run(worker, start_of(worker), start_of(worker + 1));
    }
  }
  run(0, 0, start_of(1));
  for (std::thread& thread : started) thread.join();
}

}  // namespace fqlab
