#include "study/worker_pool.h"

#include <algorithm>

namespace fqlab {

Result<void> WorkerPool::start_missing() {
  for (Slot& slot : slots_) {
    if (slot.process) continue;
    Result<ChildProcess> process =
        ChildProcess::start([this](int socket) { return run_sweep_worker(inputs_, socket); });
    if (!process) return tl::unexpected(process.error());
    slot.process = std::move(*process);
    slot.ready = false;
    slot.job.reset();
  }
  return {};
}

bool WorkerPool::is_idle(size_t worker) const {
  const Slot& slot = slots_[worker];
  return slot.process && slot.ready && !slot.job;
}

bool WorkerPool::any_busy() const {
  return std::ranges::any_of(slots_,
                             [](const Slot& slot) { return slot.process && (!slot.ready || slot.job); });
}

void WorkerPool::give(size_t worker, const SweepJob& job) {
  slots_[worker].job = job;
  send_message(slots_[worker].process->socket(), job);  // a dead worker is noticed by wait()
}

WorkerEvent WorkerPool::read(size_t worker) {
  Slot& slot = slots_[worker];
  WorkerEvent event{worker, SweepAnswer{}, {}, {}};
  if (receive_message(slot.process->socket(), *event.answer)) {
    slot.ready = true;
    slot.job.reset();
    return event;
  }
  event.answer.reset();
  event.job = slot.job;
  event.how = slot.process->how_it_ended();
  slot = Slot{};
  return event;
}

std::vector<WorkerEvent> WorkerPool::wait(const Interrupts& interrupts, int timeout_ms) {
  std::vector<pollfd> descriptors;
  std::vector<size_t> workers;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].process) continue;
    descriptors.push_back({slots_[i].process->socket(), POLLIN, 0});
    workers.push_back(i);
  }
  interrupts.wait(descriptors, timeout_ms);
  std::vector<WorkerEvent> events;
  for (size_t i = 0; i < descriptors.size(); ++i)
    if (descriptors[i].revents != 0) events.push_back(read(workers[i]));
  return events;
}

}  // namespace fqlab
