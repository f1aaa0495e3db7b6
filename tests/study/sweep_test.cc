#include "study/sweep.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <set>

#include "study/compare.h"
#include "study/controls.h"
#include "study/make_imatrix.h"
#include "study/read_map.h"
#include "study/study_status.h"
#include "study/study_store.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// The study's numbers: everything but ids, times, owners and commands.
std::vector<std::string> numbers_of(const std::filesystem::path& study) {
  Database database = Database::open(study, Database::Open::kExisting).value();
  Statement rows =
      database
          .prepare(
              "SELECT key, value_count, changed, hex(relative_mse), r.* FROM result r JOIN trial t "
              "ON t.id = r.trial ORDER BY key, chunk")
          .value();
  std::vector<std::string> numbers;
  while (rows.step().value()) {
    std::string line = rows.text(0) + " " + rows.text(1) + " " + rows.text(2) + " " + rows.text(3);
    for (int column = 5; column < 20; ++column)  // 4 is the trial's id
      line += " " +
              (column == 5 ? rows.text(column) : std::to_string(std::bit_cast<uint64_t>(rows.real(column))));
    numbers.push_back(line);
  }
  return numbers;
}

class SweepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = testing::shared_file("data/stories260k-f32.gguf");
    FQLAB_REQUIRE_FILE(model_);
    // Documents of two chunks and of one, so that clusters differ from chunks.
    std::filesystem::create_directory(folder_ / "text");
    for (int document = 0; document < 3; ++document) {
      std::string text;
      for (int i = 0; i < (document == 1 ? 12 : 30); ++i)
        text += "Once upon a time, " + std::to_string(document * 100 + i * i) +
                " little birds lived in a big tree. They liked to play and sing all day. ";
      testing::write_file(folder_ / ("text/" + std::to_string(document) + ".txt"), text);
    }
    request_.model = model_;
    request_.corpora = {{"text", folder_ / "text"}};
    request_.study = folder_ / "a.fqlab";
    request_.n_ctx = 128;
    request_.goal.kind = AllocationGoal::Kind::kExhaustive;
    request_.goal.chunks = 5;
    request_.workers = 2;
    request_.command = {"fqlab", "sweep"};
    formats({"int4:g32"});
    select("1,3/attn_q,ffn_down");
  }
  void formats(const std::vector<const char*>& texts) {
    request_.selection.formats.clear();
    for (const char* text : texts) request_.selection.formats.push_back(FormatSpec::parse(text).value());
  }
  void select(const char* text) { request_.selection.select = Selector::parse(text).value(); }
  Result<SweepOutcome> run() {
    said_.clear();
    return run_sweep(request_, {}, [this](const std::string& text) { said_.push_back(text); });
  }
  Comparison compared(const std::string& recipe, int chunks) {
    CompareRequest request;
    request.model = request_.model;
    request.recipes = {Recipe::parse(recipe).value()};
    request.corpora = request_.corpora;
    request.n_ctx = request_.n_ctx;
    request.chunks = chunks;
    request.arithmetic = Arithmetic::kReference;
    request.dialogue = request.speed = false;
    request.threads = 1;
    return compare(request, {}).value().front();
  }

  std::filesystem::path model_;
  testing::TemporaryFolder folder_;
  SweepRequest request_;
  std::vector<std::string> said_;
};

TEST_F(SweepTest, EveryCellIsCompareOfTheSameRecipeToTheLastBit) {
  select("1,3/attn_q,ffn_down,ffn_norm");
  formats({"int4:g32", "mxfp4"});
  ASSERT_EQ(run().value().state, SweepOutcome::State::kFinished);
  const SensitivityMap map = read_map(request_.study).value();
  ASSERT_THAT(map.cells, SizeIs(2 * (1 + 6)));
  for (const MapCell& cell : map.cells) {
    const std::string recipe = map.groups[cell.group].selector + "=" + map.formats[cell.format];
    const Comparison c = compared(recipe, 5);
    EXPECT_EQ(*cell.kl, c.kl.mean) << recipe;
    EXPECT_EQ(*cell.log_ratio, c.perplexity.log_ratio) << recipe;
    EXPECT_EQ(*cell.same_top, c.same_top.fraction) << recipe;
    EXPECT_EQ(cell.kl_interval->low, c.kl.interval->low) << recipe;
    EXPECT_EQ(cell.kl_interval->high, c.kl.interval->high) << recipe;
    EXPECT_EQ(cell.values_changed, c.values_changed) << recipe;
    ASSERT_THAT(cell.chunks, SizeIs(5));
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ(cell.chunks[i].kl, c.chunks[i].kl_mean) << recipe;
  }
}

TEST_F(SweepTest, AnotherModeAndGroupingIsCompareToo) {
  select("ffn_up,ffn_down");
  request_.selection.mode = SweepMode::kCumulative;
  request_.selection.grouping = Grouping::kLayer;
  request_.goal.chunks = 2;
  ASSERT_TRUE(run());
  const SensitivityMap map = read_map(request_.study).value();
  ASSERT_FALSE(map.cells.empty());
  for (const MapCell& cell : map.cells) {
    const std::string recipe = map.groups[cell.group].selector + "=int4:g32";
    EXPECT_EQ(*cell.kl, compared(recipe, 2).kl.mean) << recipe;
  }
}

TEST_F(SweepTest, SeveralTextsTakeTurns) {
  testing::write_file(
      folder_ / "letter.txt",
      std::string(40, 'x') + " Dear reader, the weather is fine today. " + std::string(4000, '.'));
  request_.corpora.push_back({"letter", folder_ / "letter.txt"});
  request_.goal.chunks = 3;  // two of the folder, one of the letter
  select("1/attn_q");
  const SweepOutcome outcome = run().value();
  EXPECT_THAT(outcome.cluster_of_chunk, SizeIs(3));
  EXPECT_EQ(std::set(outcome.cluster_of_chunk.begin(), outcome.cluster_of_chunk.end()).size(), 3u);
  const SensitivityMap map = read_map(request_.study).value();
  EXPECT_THAT(map.study.corpora,
              ElementsAre((folder_ / "text").string(), "letter=" + (folder_ / "letter.txt").string()));
  const Comparison c = compared("1/attn_q=int4:g32", 2);  // two of each text
  const MapCell& cell = map.cells.back();
  ASSERT_THAT(cell.chunks, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(cell.chunks[i].kl, c.chunks[i].kl_mean) << i;
}

TEST_F(SweepTest, MoreChunksOfSeveralTextsKeepTheClustersOfTheFirst) {
  testing::write_file(folder_ / "one.txt", testing::read_file(folder_ / "text/0.txt") +
                                               testing::read_file(folder_ / "text/2.txt"));
  request_.corpora = {{"a", folder_ / "text/0.txt"}, {"b", folder_ / "one.txt"}};
  const auto clusters = [&](int chunks) {
    request_.goal.chunks = chunks;
    std::vector<int> list;
    EXPECT_EQ(run().value().state, SweepOutcome::State::kFinished);
    const SensitivityMap map = read_map(request_.study).value();
    for (const ChunkMean& chunk : map.cells.front().chunks) list.push_back(chunk.cluster);
    return list;
  };
  EXPECT_THAT(clusters(2), ElementsAre(0, 1));
  EXPECT_THAT(clusters(4), ElementsAre(0, 1, 2, 3));  // chunks are clusters, and no two are one
}

TEST_F(SweepTest, EverythingButAGroupIsOfTheLastSelection) {
  request_.goal.chunks = 1;
  request_.selection.mode = SweepMode::kExcept;
  ASSERT_EQ(run().value().state, SweepOutcome::State::kFinished);
  const auto kl_of_first = [&] {
    const SensitivityMap map = read_map(request_.study).value();
    for (const MapCell& cell : map.cells)
      if (cell.mode == MapMode::kExcept) return *cell.kl;
    return 0.0;
  };
  const double of_four = kl_of_first();
  select("1,3/attn_q");
  ASSERT_EQ(run().value().state, SweepOutcome::State::kFinished);
  EXPECT_NE(kl_of_first(), of_four);
  const SensitivityMap map = read_map(request_.study).value();
  EXPECT_EQ(std::ranges::count(map.cells, MapMode::kExcept, &MapCell::mode), 2);
}

TEST_F(SweepTest, AnImatrixOfOtherContentTakesThePlaceOfTheFormer) {
  const std::filesystem::path imatrix = folder_ / "i.gguf";
  const auto measure = [&](int chunks_of_imatrix, int chunks) {
    ImatrixRequest matrix;
    matrix.model = model_;
    matrix.corpus = folder_ / "text";
    matrix.chunks = chunks_of_imatrix;
    matrix.activations.n_ctx = 64;
    matrix.output = imatrix;
    matrix.overwrite = true;
    EXPECT_TRUE(make_imatrix(matrix, {}));
    request_.goal.chunks = chunks;
    EXPECT_EQ(run().value().state, SweepOutcome::State::kFinished);
    std::vector<double> kl;
    for (const MapCell& cell : read_map(request_.study).value().cells) kl.push_back(*cell.kl);
    return kl;
  };
  const std::string format = "gguf:q4_0:imatrix=" + imatrix.string();
  formats({format.c_str()});
  select("1,3/attn_q");
  const std::vector<double> former = measure(1, 1);
  const std::vector<double> now = measure(4, 2);
  request_.study = folder_ / "fresh.fqlab";
  EXPECT_EQ(now, measure(4, 2));
  EXPECT_THAT(now, SizeIs(former.size()));
  EXPECT_NE(now, former);
}

TEST_F(SweepTest, AFormatThatChangesNothingGivesExactlyZero) {
  formats({"f32"});
  ASSERT_TRUE(run());
  const SensitivityMap map = read_map(request_.study).value();
  ASSERT_FALSE(map.cells.empty());
  for (const MapCell& cell : map.cells) {
    EXPECT_EQ(*cell.kl, 0);
    EXPECT_EQ(*cell.log_ratio, 0);
    EXPECT_EQ(cell.values_changed, 0u);
    EXPECT_FALSE(cell.resolved.has_value()) << "nothing was tested";
  }
}

TEST_F(SweepTest, EffectsAreToldFromTheFloor) {
  ASSERT_TRUE(run());
  const SensitivityMap map = read_map(request_.study).value();
  ASSERT_FALSE(map.cells.empty());
  for (const MapCell& cell : map.cells) EXPECT_EQ(cell.resolved, true);
  ASSERT_TRUE(map.study.floor.has_value());
  EXPECT_LT(map.study.floor->kl, 1e-9);
  EXPECT_EQ(map.study.floor->seeds, 3);
}

TEST_F(SweepTest, TheNumberOfWorkersDoesNotChangeTheNumbers) {
  ASSERT_TRUE(run());
  const std::vector<std::string> two = numbers_of(request_.study);
  request_.study = folder_ / "b.fqlab";
  request_.workers = 1;
  ASSERT_TRUE(run());
  EXPECT_EQ(numbers_of(request_.study), two);
  EXPECT_THAT(two, Not(IsEmpty()));
}

TEST_F(SweepTest, NothingIsMeasuredTwice) {
  const SweepOutcome first = run().value();
  EXPECT_EQ(first.runs_before, 0u);
  const SweepOutcome second = run().value();
  EXPECT_EQ(second.runs_now, 0u);
  EXPECT_EQ(second.runs_before, first.runs_now);
  formats({"int4:g32", "fp8_e4m3"});
  const SweepOutcome third = run().value();
  EXPECT_EQ(third.runs_before, first.runs_now) << "floors and int4 are known";
  EXPECT_EQ(third.runs_now, 5u * 5) << "four groups and all of them, on five chunks";
}

TEST_F(SweepTest, MoreChunksContinueAStudy) {
  request_.goal.chunks = 2;
  ASSERT_TRUE(run());
  request_.goal.chunks = 5;
  const SweepOutcome more = run().value();
  EXPECT_EQ(more.runs_before, 5u * 2 + 3 * 2);
  EXPECT_EQ(more.runs_now, 5u * 3 + 3 * 2);
}

TEST_F(SweepTest, FewerChunksAreThoseOfTheStudy) {
  ASSERT_TRUE(run());
  request_.goal.chunks = 2;
  const SweepOutcome fewer = run().value();
  EXPECT_EQ(fewer.runs_now, 0u);
  EXPECT_THAT(fewer.cluster_of_chunk, SizeIs(2));
  EXPECT_THAT(fewer.measured, Each(SizeIs(2)));
}

TEST_F(SweepTest, AdaptiveMeasuresLessAndTheSameTwice) {
  request_.selection.select.reset();
  request_.goal.kind = AllocationGoal::Kind::kMap;
  const SweepOutcome adaptive = run().value();
  const std::vector<std::string> numbers = numbers_of(request_.study);
  EXPECT_LT(adaptive.runs_now, 48u * 5);
  EXPECT_GE(adaptive.runs_now, 48u + 5 + 3 * 4);
  request_.study = folder_ / "b.fqlab";
  ASSERT_TRUE(run());
  EXPECT_EQ(numbers_of(request_.study), numbers);
}

TEST_F(SweepTest, AWorkerThatDiesOnceCostsARetry) {
  const std::filesystem::path mark = folder_ / "died";
  request_.before_job = [&](const SweepJob& job) {
    if (job.kind != SweepJob::Kind::kTrial || job.chunk != 3 || std::filesystem::exists(mark)) return;
    testing::write_file(mark, "once");
    std::raise(SIGKILL);
  };
  const SweepOutcome outcome = run().value();
  EXPECT_EQ(outcome.failed, 0u);
  EXPECT_THAT(said_, Contains(HasSubstr("tried again: killed by signal 9")));
  const std::vector<std::string> numbers = numbers_of(request_.study);
  request_.study = folder_ / "b.fqlab";
  request_.before_job = {};
  ASSERT_TRUE(run());
  EXPECT_EQ(numbers_of(request_.study), numbers);
}

TEST_F(SweepTest, ATrialThatKillsItsWorkerTwiceFailsAndTheRestGoesOn) {
  request_.goal.chunks = 2;
  request_.before_job = [](const SweepJob& job) {
    if (job.kind == SweepJob::Kind::kTrial && job.trial == 1) std::raise(SIGSEGV);
  };
  const SweepOutcome outcome = run().value();
  EXPECT_EQ(outcome.state, SweepOutcome::State::kFinished);
  EXPECT_EQ(outcome.failed, 1u);
  const StudyStatus status = read_status(request_.study).value();
  ASSERT_THAT(status.failures, SizeIs(1));
  EXPECT_EQ(status.failures[0].what, "blk.1.attn_q.weight=int4:g32:sym");
  EXPECT_THAT(status.failures[0].reason, HasSubstr("killed by signal 11"));
  EXPECT_EQ(status.sweeps[0].cells_failed, 1u);
  EXPECT_EQ(status.sweeps[0].cells_measured, 4u);
  request_.before_job = {};
  EXPECT_EQ(run().value().runs_now, 0u) << "a failure is remembered";
  request_.retry_failed = true;
  EXPECT_EQ(run().value().runs_now, 2u);
}

TEST_F(SweepTest, WorkersThatAlwaysDieEndTheSweepWithTheirReason) {
  request_.before_job = [](const SweepJob& job) {
    if (job.kind == SweepJob::Kind::kCapture) std::raise(SIGABRT);
  };
  const Result<SweepOutcome> outcome = run();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kEngine);
  EXPECT_THAT(outcome.error().what, HasSubstr("killed by signal 6"));
}

TEST_F(SweepTest, WorkersThatDieAtALaterChunkEndTheSweepToo) {
  // A fresh worker loads and checks the original before it captures; that is no reason to try for ever.
  request_.before_job = [](const SweepJob& job) {
    if (job.kind == SweepJob::Kind::kCapture && job.chunk == 1) std::raise(SIGABRT);
  };
  for (const int workers : {1, 2}) {
    request_.workers = workers;
    const Result<SweepOutcome> outcome = run();
    ASSERT_FALSE(outcome) << workers;
    EXPECT_THAT(outcome.error().what, HasSubstr("killed by signal 6"));
    EXPECT_THAT(said_, ::testing::Contains(HasSubstr("chunk 1")));
  }
}

TEST_F(SweepTest, AnInterruptFinishesTheRunningTrialsAndLosesNothing) {
  request_.before_job = [](const SweepJob& job) {
    if (job.kind == SweepJob::Kind::kTrial && job.chunk == 2) kill(getppid(), SIGINT);
  };
  const SweepOutcome outcome = run().value();
  EXPECT_EQ(outcome.state, SweepOutcome::State::kInterrupted);
  EXPECT_GT(outcome.runs_now, 0u);
  EXPECT_LT(outcome.runs_now, 5u * 5);
  EXPECT_EQ(read_status(request_.study).value().running, 0u) << "claims are given back";
  EXPECT_FALSE(read_status(request_.study).value().sweeps[0].finished);
  request_.before_job = {};
  const SweepOutcome rest = run().value();
  EXPECT_EQ(rest.runs_before, outcome.runs_now);
  EXPECT_TRUE(read_status(request_.study).value().sweeps[0].finished);
}

TEST_F(SweepTest, OneWorkerAtATimeHoldsATrialThatChangesEverything) {
  const GgufFile file = GgufFile::open(model_).value();
  const SweepPlan plan = plan_sweep(file, request_.selection, "").value();
  std::set<int> joint(plan.joint_floors.begin(), plan.joint_floors.end());
  for (const SweepCell& cell : plan.cells)
    if (cell.mode == "all") joint.insert(static_cast<int>(cell.trial));
  ASSERT_THAT(joint, SizeIs(1 + kFloorSeeds));
  const std::string lock = folder_ / "lock", overlap = folder_ / "overlap";
  request_.before_job = [&](const SweepJob& job) {
    static int held = -1;  // of this worker: from a joint trial to its next job that is none
    const bool is_joint = job.kind == SweepJob::Kind::kTrial && joint.contains(job.trial);
    if (!is_joint && held >= 0) {
      close(held);
      held = -1;
    }
    if (!is_joint) return;
    usleep(20'000);  // 17 joint runs: long beside the time in which the other worker notices its next job
    if (held >= 0) return;
    held = open(lock.c_str(), O_CREAT | O_RDWR, 0600);
    bool mine = false;
    for (int tries = 0; !mine && tries < 100; ++tries, usleep(1'000))
      mine = flock(held, LOCK_EX | LOCK_NB) == 0;
    if (!mine) testing::write_file(overlap, "two at once");
  };
  ASSERT_EQ(run().value().state, SweepOutcome::State::kFinished);
  EXPECT_TRUE(std::filesystem::exists(lock));
  EXPECT_FALSE(std::filesystem::exists(overlap));
}

TEST_F(SweepTest, ATimeLimitStopsItResumably) {
  request_.limit_seconds = 1e-6;
  EXPECT_EQ(run().value().state, SweepOutcome::State::kOutOfTime);
  request_.limit_seconds.reset();
  EXPECT_EQ(run().value().state, SweepOutcome::State::kFinished);
}

TEST_F(SweepTest, WithLittleMemoryTheOriginalLiesOnTheDisk) {
  ASSERT_TRUE(run());
  const std::vector<std::string> numbers = numbers_of(request_.study);
  request_.study = folder_ / "b.fqlab";
  const uint64_t all = estimate_sweep(request_).value().memory_bytes;
  request_.limit_bytes = all - 1;
  ASSERT_TRUE(run());
  EXPECT_THAT(said_, Contains(HasSubstr("temporary file beside the study")));
  EXPECT_EQ(numbers_of(request_.study), numbers);
  request_.study = folder_ / "c.fqlab";
  request_.limit_bytes = 1000;
  const Result<SweepOutcome> refused = run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSystem);
  EXPECT_FALSE(std::filesystem::exists(request_.study)) << "nothing half-written";
}

TEST_F(SweepTest, TheEstimateCountsWhatIsLeft) {
  const SweepEstimate before = estimate_sweep(request_).value();
  EXPECT_FALSE(std::filesystem::exists(request_.study));
  EXPECT_EQ(before.cells, 5u);
  EXPECT_EQ(before.runs, 5u * 5 + 3 * 4);
  EXPECT_TRUE(before.exact);
  EXPECT_EQ(before.tokens, before.runs * 128);
  EXPECT_GT(before.seconds, 0);
  EXPECT_EQ(run().value().runs_now, before.runs);
  const SweepEstimate after = estimate_sweep(request_).value();
  EXPECT_EQ(after.runs, 0u);
  EXPECT_EQ(after.runs_known, before.runs);
}

TEST_F(SweepTest, TwoSweepsOnOneStudyShareTheWork) {
  const pid_t other = fork();
  if (other == 0) {
    const Result<SweepOutcome> outcome = run();
    _exit(outcome && outcome->state == SweepOutcome::State::kFinished ? static_cast<int>(outcome->runs_now)
                                                                      : 255);
  }
  const SweepOutcome mine = run().value();
  int status = 0;
  waitpid(other, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_NE(WEXITSTATUS(status), 255);
  EXPECT_EQ(mine.runs_now + static_cast<size_t>(WEXITSTATUS(status)), 5u * 5 + 3 * 4);
  const std::vector<std::string> together = numbers_of(request_.study);
  request_.study = folder_ / "b.fqlab";
  ASSERT_TRUE(run());
  EXPECT_EQ(numbers_of(request_.study), together);
}

TEST_F(SweepTest, TheClaimsOfADeadSweepAreTakenOver) {
  const pid_t other = fork();
  if (other == 0) {
    request_.before_job = [](const SweepJob& job) {
      if (job.kind == SweepJob::Kind::kTrial && job.chunk == 1) kill(getppid(), SIGKILL);
    };
    (void)run();
    _exit(0);
  }
  int status = 0;
  waitpid(other, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  request_.before_job = {};
  EXPECT_EQ(run().value().state, SweepOutcome::State::kFinished);
  const std::vector<std::string> resumed = numbers_of(request_.study);
  request_.study = folder_ / "b.fqlab";
  ASSERT_TRUE(run());
  EXPECT_EQ(numbers_of(request_.study), resumed);
}

TEST_F(SweepTest, AStudyOfAnotherTextOrSettingIsRefused) {
  ASSERT_TRUE(run());
  request_.n_ctx = 64;
  EXPECT_THAT(run().error().what, HasSubstr("tokens per chunk is 64, the study's is 128"));
  request_.n_ctx = 128;
  request_.scored = ScoredPart::kAll;
  EXPECT_THAT(run().error().what, HasSubstr("scored positions is 32-126, the study's is 64-126"));
  request_.scored = ScoredPart::kSecondHalf;
  testing::write_file(folder_ / "text/0.txt", "Another text.");
  EXPECT_THAT(run().error().what, HasSubstr("corpus sha256"));
}

/// One small case on a real model, with a real cut.
void expect_a_cell_to_be_compare(const std::filesystem::path& model, const std::string& layer) {
  testing::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "Sentence number " + std::to_string(i * i) + " is about the weather in the mountains. ";
  testing::write_file(folder / "text.txt", text);
  SweepRequest sweep;
  sweep.model = model;
  sweep.corpora = {{"text.txt", folder / "text.txt"}};
  sweep.study = folder / "a.fqlab";
  sweep.n_ctx = 64;
  sweep.goal.chunks = 2;
  sweep.workers = 2;
  sweep.selection.formats = {FormatSpec::parse("int4:g32").value()};
  sweep.selection.select = Selector::parse(layer + "/attn_q,ffn_norm").value();
  std::vector<std::string> said;
  ASSERT_TRUE(run_sweep(sweep, {}, [&](const std::string& warning) { said.push_back(warning); }));
  EXPECT_THAT(said, Not(Contains(HasSubstr("whole model"))));
  CompareRequest request;
  request.model = sweep.model;
  request.recipes = {Recipe::parse(layer + "/attn_q=int4:g32").value()};
  request.corpora = sweep.corpora;
  request.n_ctx = request.n_batch = 64;
  request.chunks = 2;
  request.arithmetic = Arithmetic::kReference;
  request.dialogue = request.speed = false;
  const Comparison c = compare(request, {}).value().front();
  const SensitivityMap map = read_map(sweep.study).value();
  size_t compared = 0;
  for (const MapCell& cell : map.cells) {
    if (map.groups[cell.group].name != "blk." + layer + ".attn_q.weight") continue;
    for (const ChunkMean& chunk : cell.chunks) {
      EXPECT_EQ(chunk.kl, c.chunks[static_cast<size_t>(chunk.chunk)].kl_mean);
      ++compared;
    }
  }
  EXPECT_GE(compared, 1u);
}

TEST(SweepOfARealModel, ACellOfSmolLM2IsCompareToTheLastBit) {
  FQLAB_REQUIRE_FILE(testing::smollm2_file());
  expect_a_cell_to_be_compare(testing::smollm2_file(), "20");
}

TEST(SweepOfARealModel, ACellOfGemma3IsCompareToTheLastBitWithItsGeluComputedHere) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  expect_a_cell_to_be_compare(testing::gemma_file(), "12");
}

}  // namespace
}  // namespace fqlab
