#include "study/study_store.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

#include "testing.h"

namespace fqlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::vector<StudyProperty> kProperties = {
    {"model_sha256", std::string(64, 'a'), true}, {"tokens_per_chunk", "512", true}, {"model", "a.gguf"}};

MeasuredChunk some_numbers(double scale) {
  MeasuredChunk measured;
  measured.sums.n = 255;
  measured.sums.kl_nats = scale / 3;
  measured.sums.nll_original_nats = 900.125 * scale;
  measured.sums.nll_variant_nats = std::nextafter(900.125 * scale, 1e9);
  measured.sums.nll_difference_nats = -5e-324;
  measured.sums.delta_p = -0.1;
  measured.sums.delta_p_squared = 1e-300;
  measured.sums.same_top = 250;
  measured.sums.original_right = 100;
  measured.sums.variant_right = 99;
  measured.sums.right_to_wrong = 3;
  measured.sums.wrong_to_right = 2;
  measured.kl_max_nats = 0.25;
  measured.logits_identical = false;
  return measured;
}

class StudyStoreTest : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "a.fqlab"; }
  StudyStore open() { return StudyStore::open_or_create(path(), kProperties).value(); }
  /// A study with three chunks and two trials; their ids.
  std::vector<int64_t> fill(StudyStore& store) {
    const std::vector<StudyChunk> chunks = {{0, "x"}, {0, "y"}, {1, "z"}};
    EXPECT_TRUE(store.add_chunks(chunks));
    const std::vector<StoredTrial> trials = {{0, "key1", "recipe", "one", {}},
                                             {0, "key2", "recipe", "two", {}}};
    return store.add_trials(trials).value();
  }
  testing::TemporaryFolder folder_;
};

TEST_F(StudyStoreTest, GivesResultsBackBitForBit) {
  std::vector<int64_t> ids;
  {
    StudyStore store = open();
    ids = fill(store);
    ASSERT_EQ(store.claim(ids[1], 2).value(), StudyStore::Claim::kMine);
    ASSERT_TRUE(store.save(ids[1], 2, some_numbers(1), {100, 99, 1e-7}, 0.5));
  }
  StudyStore store = StudyStore::open(path()).value();
  const std::vector<StoredResult> results = store.results().value();
  ASSERT_THAT(results, SizeIs(1));
  const MeasuredChunk expected = some_numbers(1), &got = results[0].measured;
  EXPECT_EQ(results[0].trial, ids[1]);
  EXPECT_EQ(results[0].chunk, 2);
  EXPECT_EQ(got.sums.kl_nats, expected.sums.kl_nats);
  EXPECT_EQ(got.sums.nll_original_nats, expected.sums.nll_original_nats);
  EXPECT_EQ(got.sums.nll_variant_nats, expected.sums.nll_variant_nats);
  EXPECT_EQ(got.sums.nll_difference_nats, expected.sums.nll_difference_nats);
  EXPECT_EQ(got.sums.delta_p, expected.sums.delta_p);
  EXPECT_EQ(got.sums.delta_p_squared, expected.sums.delta_p_squared);
  EXPECT_EQ(got.sums.n, 255u);
  EXPECT_EQ(got.sums.same_top, 250u);
  EXPECT_EQ(got.sums.original_right, 100u);
  EXPECT_EQ(got.sums.variant_right, 99u);
  EXPECT_EQ(got.sums.right_to_wrong, 3u);
  EXPECT_EQ(got.sums.wrong_to_right, 2u);
  EXPECT_EQ(got.kl_max_nats, 0.25);
  EXPECT_FALSE(got.logits_identical);
  const WeightChange change = *store.trials().value()[1].change;
  EXPECT_EQ(change.values, 100u);
  EXPECT_EQ(change.changed, 99u);
  EXPECT_EQ(change.relative_mse, 1e-7);
}

TEST_F(StudyStoreTest, ATrialWithTheSameKeyIsTheSameTrial) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  EXPECT_EQ(fill(store), ids);
  EXPECT_THAT(store.trials().value(), SizeIs(2));
}

TEST_F(StudyStoreTest, ClaimsSayWhatIsDoneFailedOrFree) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  EXPECT_EQ(store.claim(ids[0], 0).value(), StudyStore::Claim::kMine);
  EXPECT_EQ(store.claim(ids[0], 0).value(), StudyStore::Claim::kMine) << "the same process may try again";
  ASSERT_TRUE(store.save(ids[0], 0, some_numbers(1), {}, 1));
  EXPECT_EQ(store.claim(ids[0], 0).value(), StudyStore::Claim::kDone);
  ASSERT_TRUE(store.save_failure(ids[1], 0, "it died"));
  EXPECT_EQ(store.claim(ids[1], 1).value(), StudyStore::Claim::kFailed) << "on every chunk";
  ASSERT_TRUE(store.forget_failures());
  EXPECT_EQ(store.claim(ids[1], 1).value(), StudyStore::Claim::kMine);
}

TEST_F(StudyStoreTest, AClaimHoldsWhileItsProcessLives) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  int ready[2], over[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(over), 0);
  const pid_t child = fork();
  if (child == 0) {  // with a connection of its own
    close(over[1]);
    StudyStore mine = StudyStore::open(path()).value();
    const bool claimed = mine.claim(ids[0], 0).value() == StudyStore::Claim::kMine;
    char byte = claimed ? 1 : 0;
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    if (read(over[0], &byte, 1) < 0) _exit(1);  // until the parent closes its end
    _exit(0);
  }
  close(over[0]);
  char claimed = 0;
  ASSERT_EQ(read(ready[0], &claimed, 1), 1);
  EXPECT_EQ(claimed, 1);
  EXPECT_EQ(store.claim(ids[0], 0).value(), StudyStore::Claim::kTaken);
  EXPECT_EQ(store.claim(ids[0], 1).value(), StudyStore::Claim::kMine);
  EXPECT_EQ(store.running().value(), 2);
  close(over[1]);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(store.claim(ids[0], 0).value(), StudyStore::Claim::kMine) << "its owner is dead";
}

TEST_F(StudyStoreTest, ManyProcessesMayMakeTheStudyAtOnce) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Result<StudyStore> store = StudyStore::open_or_create(path(), kProperties);
      const std::vector<StoredTrial> trials = {{0, "key", "recipe", "one", {}}};
      _exit(store && store->add_trials(trials) ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_THAT(open().trials().value(), SizeIs(1));
}

TEST_F(StudyStoreTest, ReleasedClaimsAreFree) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  ASSERT_EQ(store.claim(ids[0], 0).value(), StudyStore::Claim::kMine);
  ASSERT_TRUE(store.release());
  EXPECT_EQ(store.running().value(), 0);
}

TEST_F(StudyStoreTest, RemembersSweepsAndTheirCells) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  StoredCell cell{"int4:g32:sym", "only", "layer-kind", "3/attn_q", 3, "attn_q", ids[0]};
  cell.tensors = {"blk.3.attn_q.weight", "blk.3.attn_q.bias"};
  cell.values = 12;
  cell.selector = "3/attn_q";
  cell.own_floors = {ids[1]};
  const StoredCell all{"int4:g32:sym", "all", "all", "all", {}, "", ids[1]};
  const std::vector<StoredCell> cells = {all, cell};
  const std::vector<int64_t> joint = {ids[1]};
  const int64_t id =
      store.add_sweep({0, "what", {"fqlab", "sweep", "a b"}, "2026-01-01", {}}, cells, joint).value();
  EXPECT_EQ(store.add_sweep({0, "what", {"fqlab"}, "2027-01-01", {}}, cells, joint).value(), id);
  ASSERT_TRUE(store.finish_sweep("what"));
  const std::vector<StoredSweep> sweeps = store.sweeps().value();
  ASSERT_THAT(sweeps, SizeIs(1));
  EXPECT_THAT(sweeps[0].command, ElementsAre("fqlab"));
  EXPECT_EQ(sweeps[0].created, "2026-01-01");
  EXPECT_THAT(sweeps[0].finished, Not(IsEmpty()));
  const std::vector<StoredCell> got = store.cells(id).value();
  ASSERT_THAT(got, SizeIs(2));
  EXPECT_FALSE(got[0].layer.has_value());
  EXPECT_EQ(got[1].layer, 3);
  EXPECT_EQ(got[1].tensors, cell.tensors);
  EXPECT_EQ(got[1].values, 12u);
  EXPECT_EQ(got[1].selector, "3/attn_q");
  EXPECT_EQ(got[1].trial, ids[0]);
  EXPECT_EQ(got[1].own_floors, joint);
  EXPECT_EQ(store.joint_floors(id).value(), joint);
}

TEST_F(StudyStoreTest, ASweepOfTheSameWordsForgetsTheCellsItHadBefore) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  StoredCell before{"int4:g32:sym", "only", "tensor", "a", 0, "attn_q", ids[0]}, after = before;
  before.own_floors = {ids[1]};
  after.trial = ids[1];  // such as with an imatrix of the same name and other content
  const std::vector<StoredCell> two = {before, before}, one = {after};
  ASSERT_TRUE(store.add_sweep({0, "what", {"fqlab"}, "2026-01-01", {}}, two, ids));
  const int64_t id = store.add_sweep({0, "what", {"fqlab"}, "2026-01-02", {}}, one, {}).value();
  const std::vector<StoredCell> got = store.cells(id).value();
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].trial, ids[1]);
  EXPECT_THAT(got[0].own_floors, IsEmpty());
  EXPECT_THAT(store.joint_floors(id).value(), IsEmpty());
}

TEST_F(StudyStoreTest, SweepsAreInTheOrderInWhichTheyWereLastAskedFor) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  const std::vector<StoredCell> cells = {{"int4:g32:sym", "only", "tensor", "a", 0, "attn_q", ids[0]}};
  ASSERT_TRUE(store.add_sweep({0, "first", {"a"}, "2026-01-01", {}}, cells, {}));
  ASSERT_TRUE(store.add_sweep({0, "second", {"b"}, "2026-01-02", {}}, cells, {}));
  const int64_t id = store.add_sweep({0, "first", {"c"}, "2026-01-03", {}}, cells, {}).value();
  const std::vector<StoredSweep> sweeps = store.sweeps().value();
  ASSERT_THAT(sweeps, SizeIs(2));
  EXPECT_EQ(sweeps[0].request, "second");
  EXPECT_EQ(sweeps[1].request, "first");
  EXPECT_EQ(sweeps[1].created, "2026-01-01");
  EXPECT_THAT(store.cells(id).value(), SizeIs(1));
}

TEST_F(StudyStoreTest, CheckingAStudyWritesNothing) {
  EXPECT_EQ(StudyStore::check(path(), kProperties).error().code, ErrorCode::kSystem);
  testing::write_file(path(), "");
  EXPECT_TRUE(StudyStore::check(path(), kProperties));
  EXPECT_EQ(testing::read_file(path()), "") << "not made a study";
  std::filesystem::remove(path());
  { open(); }
  EXPECT_TRUE(StudyStore::check(path(), kProperties));
  std::vector<StudyProperty> other = kProperties;
  for (StudyProperty& property : other)
    if (property.identity) property.value += "x";
  EXPECT_EQ(StudyStore::check(path(), other).error().code, ErrorCode::kUsage);
}

TEST_F(StudyStoreTest, AnotherModelOrSettingIsRefusedAndNamed) {
  { open(); }
  std::vector<StudyProperty> other = kProperties;
  other[0].value = std::string(64, 'b');
  other[1].value = "256";
  other[2].value = "moved.gguf";  // no part of the identity
  const Result<StudyStore> refused = StudyStore::open_or_create(path(), other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_THAT(refused.error().what,
              HasSubstr("model sha256 is bbbbbbbbbbbb..., the study's is aaaaaaaaaaaa..."));
  EXPECT_THAT(refused.error().what, HasSubstr("tokens per chunk is 256, the study's is 512"));
  EXPECT_THAT(refused.error().what, Not(HasSubstr("moved")));
}

TEST_F(StudyStoreTest, AStudyOfAnotherVersionIsRefusedWithAWayOut) {
  std::vector<StudyProperty> properties = kProperties;
  properties.push_back({"numerics_version", "1", true});
  ASSERT_TRUE(StudyStore::open_or_create(path(), properties));
  properties.back().value = "2";
  const Result<StudyStore> refused = StudyStore::open_or_create(path(), properties);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what,
              HasSubstr("by another version of fqlab: numerics version is 2, the study's is 1"));
  EXPECT_THAT(refused.error().hint, HasSubstr("another --study FILE"));
}

TEST_F(StudyStoreTest, OtherTokensAreRefused) {
  StudyStore store = open();
  fill(store);
  const std::vector<StudyChunk> longer = {{0, "x"}, {0, "y"}, {1, "z"}, {1, "w"}},
                                other = {{0, "x"}, {0, "?"}};
  EXPECT_TRUE(store.add_chunks(longer));
  EXPECT_THAT(store.chunks().value(), SizeIs(4));
  EXPECT_THAT(store.add_chunks(other).error().what, HasSubstr("chunk 1 of the text has other tokens"));
}

TEST_F(StudyStoreTest, AFileThatIsNoStudyIsRefusedAndKept) {
  const std::string text(5000, 't');
  testing::write_file(path(), text);
  const Result<StudyStore> refused = StudyStore::open_or_create(path(), kProperties);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInput);
  EXPECT_THAT(refused.error().what, HasSubstr("not a study"));
  EXPECT_EQ(testing::read_file(path()), text);
}

TEST_F(StudyStoreTest, AnotherProgramsDatabaseIsRefusedAndKept) {
  {
    Database database = Database::open(path(), Database::Open::kCreate).value();
    ASSERT_TRUE(database.run("CREATE TABLE theirs(x)"));
  }
  const std::string before = testing::read_file(path());
  EXPECT_THAT(StudyStore::open_or_create(path(), kProperties).error().what, HasSubstr("no study of fqlab"));
  EXPECT_THAT(StudyStore::open(path()).error().what, HasSubstr("no study of fqlab"));
  EXPECT_EQ(testing::read_file(path()), before);
}

TEST_F(StudyStoreTest, AStudyOfANewerProgramIsRefused) {
  {
    StudyStore store = open();
    ASSERT_TRUE(store.database().run("PRAGMA user_version = 99"));
  }
  EXPECT_THAT(StudyStore::open(path()).error().what, HasSubstr("version 99"));
}

TEST_F(StudyStoreTest, AStudyThatMayNotBeWrittenCanBeRead) {
  {
    StudyStore store = open();
    fill(store);
  }
  namespace fs = std::filesystem;
  fs::permissions(path(), fs::perms(0444));
  fs::permissions(folder_.path(), fs::perms(0555));
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(2);
    Result<StudyStore> store = StudyStore::open(path());
    _exit(store && store->trials() && store->trials()->size() == 2 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  fs::permissions(folder_.path(), fs::perms(0755));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(testing::files_in(folder_.path()), 1u);
}

TEST_F(StudyStoreTest, AMissingStudyIsAnErrorAndNotMade) {
  EXPECT_THAT(StudyStore::open(path()).error().what, HasSubstr("no such study"));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(StudyStoreTest, AFullDiskIsSaidAndLosesNothing) {
  StudyStore store = open();
  const std::vector<int64_t> ids = fill(store);
  ASSERT_TRUE(store.claim(ids[0], 0));
  ASSERT_TRUE(store.save(ids[0], 0, some_numbers(1), {}, 1));
  const int64_t pages = store.database().number("PRAGMA page_count").value();
  ASSERT_TRUE(store.database().run(("PRAGMA max_page_count = " + std::to_string(pages)).c_str()));
  Result<void> saved;
  for (int i = 0; saved && i < 2000; ++i) {
    const std::vector<StoredTrial> more = {
        {0, "key of more " + std::to_string(i), "recipe", std::string(200, 'x'), {}}};
    const Result<std::vector<int64_t>> added = store.add_trials(more);
    if (!added) saved = tl::unexpected(added.error());
  }
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kSystem);
  EXPECT_THAT(saved.error().what, HasSubstr("the disk is full"));
  EXPECT_THAT(saved.error().hint, HasSubstr("run the same command again"));
  ASSERT_TRUE(store.database().run("PRAGMA max_page_count = 100000"));
  EXPECT_EQ(store.result(ids[0], 0).value()->sums.kl_nats, some_numbers(1).sums.kl_nats);
  ASSERT_EQ(store.claim(ids[0], 1).value(), StudyStore::Claim::kMine);
  EXPECT_TRUE(store.save(ids[0], 1, some_numbers(2), {}, 1));
}

TEST(Owner, ThisProcessLivesAndADeadOneDoesNot) {
  const ProcessIdentity me = this_process();
  EXPECT_TRUE(is_alive(me));
  ProcessIdentity other = me;
  other.started += 1;  // its number went to another process
  EXPECT_FALSE(is_alive(other));
  other = me;
  other.boot = "before the restart";
  EXPECT_FALSE(is_alive(other));
  EXPECT_FALSE(is_alive({me.boot, 0x7ffffff0, 1}));
}

}  // namespace
}  // namespace fqlab
