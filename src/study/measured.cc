#include "study/measured.h"

#include <algorithm>

namespace fqlab {

MeasuredChunk measured_chunk(std::span<const PairedPosition> positions, bool logits_identical) {
  MeasuredChunk measured;
  measured.sums = sum_up(positions);
  measured.logits_identical = logits_identical;
  for (const PairedPosition& position : positions)
    measured.kl_max_nats = std::max(measured.kl_max_nats, position.kl_nats);
  return measured;
}

}  // namespace fqlab
