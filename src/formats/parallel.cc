#include "formats/parallel.h"

#include <algorithm>

#include "base/parked_threads.h"
#include "formats/float_environment.h"

namespace fqlab {

void share_out(uint64_t items, uint64_t grain, int threads,
               const std::function<void(int worker, uint64_t begin, uint64_t end)>& work) {
  const uint64_t grains = (items + grain - 1) / grain;
  const int workers =
      static_cast<int>(std::min<uint64_t>(std::max(threads, 1), std::max<uint64_t>(grains, 1)));
  const auto start_of = [&](int worker) {
    return std::min(items, grains * static_cast<uint64_t>(worker) / static_cast<uint64_t>(workers) * grain);
  };
  run_on_threads(workers, [&](int worker) {
    const FloatEnvironment environment;
    const uint64_t begin = start_of(worker), end = start_of(worker + 1);
    if (begin < end) work(worker, begin, end);
  });
}

}  // namespace fqlab
