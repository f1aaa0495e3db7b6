#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>

#include "report/catalogue.h"
#include "report/messages.h"
#include "testing.h"

namespace fqlab::report {
namespace {

std::multiset<std::string> placeholders(std::string_view text) {
  static const std::regex kPlaceholder(R"(\{([a-z0-9_]*)\})");
  const std::string all(text);
  return {std::sregex_token_iterator(all.begin(), all.end(), kPlaceholder, 1), std::sregex_token_iterator()};
}

// Characters that only Simplified Chinese has, by frequency of use. Not among them: characters that Taiwan
// writes too, such as 台, 于, 后, 里, 准, 只, 面, 系.
constexpr std::string_view kSimplifiedOnly =
    "们这国说时会对个过还发为动长样开关问间边从师学现给实无电机与业产经数据变应体万东两严丧丰临丽举么义乐习书"
    "买乱争亏云亚产亲仅仓"
    "价众优伟传伤伦伪侧侨债倾储儿党兰兴养内冲决况净减凤击凿划刘则刚创删别办务劝劲势区医华单卖卢卫厂厅历压厌参"
    "双叙叶号叹听启员响哗"
    "团园围图圆圣场坏块坚坛坝坟垄处备够头夹夺奋奖妇妈娱婴孙宁宝审宪宽宾寻导寿将尔尘尝层属岁岛峡币帅师帐带帮广"
    "庆库庙废归当录彻径态"
    "总恋恶悬惊惯愿戏战户执扩扫扬抚抛护报拟拥择担拟挂挥损换掷掸摄摆摇敌敛斋斗断术权条来杨极构枪样标栈栋树桥检"
    "楼榄横欢欧残毁毕气汇汉"
    "汤沟没沪泪泽洁浅测济浏浑浓涛润涨渐温湾湿满滚滞滤灭灯灵灾炉点炼烂烟烦烧热爱爷牵犹独狮猎环玛珑电画畅疗疯监"
    "盖盘着矿码砖确碍础"
    "礼祸离种积称稳穷窃竖笔笼签简类粮紧纠红约级纪纯纲纳纵纷纸纹线练组细织终绍经结绕绘给络绝统继绩绪续维综绿缓"
    "编缘缩网罗罚职联聪肃肠"
    "肤胁胆胜脉脑脚脱脸舰艺节芦苏苹范荐荣药获营萧蓝虑虚虫虽蚀蛮补装见观规视览觉触计订认讨让议记讲许论设访证评"
    "识诉词译试话询该详语误请"
    "诸读课谁调谈谋谓谢谱谷贝负贡财责败账货质贩贪购贯贵贸费资赋赌赏赖赛赞赢赵趋跃践车轨轩转轮软轰载较辅辆辈辉"
    "输辞达迁运进远违连迟适选"
    "递逻遗邓郑邻释针钉钟钢钱铁铜银链销锁错键镇镜闭问闯闲闻阅队阳阴阵阶际陆陈险随隐难雾静项顺须顾顿预领频题颜"
    "额风飞饭饮馆驱验骤鱼鲁鸟鸡"
    "黄齐龙龟";

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> list;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    list.emplace_back(text.substr(i, bytes));
    i += bytes;
  }
  return list;
}

TEST(Catalogue, HoldsEveryKeyOnce) {
  std::set<std::string_view> seen;
  for (const Message& message : kMessages) EXPECT_TRUE(seen.insert(message.key).second) << message.key;
}

TEST(Catalogue, HasNoEmptyText) {
  for (const Message& message : kMessages) {
    EXPECT_FALSE(message.english.empty()) << message.key;
    EXPECT_FALSE(message.chinese.empty()) << message.key;
  }
}

TEST(Catalogue, UsesTheSamePlaceholdersInBothLanguages) {
  for (const Message& message : kMessages) {
    EXPECT_EQ(placeholders(message.english), placeholders(message.chinese)) << message.key;
  }
}

TEST(Catalogue, HasNoSimplifiedCharacterInChinese) {
  const auto simplified = characters(kSimplifiedOnly);
  const std::set<std::string> forbidden(simplified.begin(), simplified.end());
  for (const Message& message : kMessages) {
    for (const std::string& character : characters(message.chinese)) {
      EXPECT_FALSE(forbidden.contains(character)) << message.key << ": " << character;
    }
  }
}

TEST(Catalogue, SaysNoEnglishSentenceInChinese) {
  // Names, units and code stay as they are; three English words in a row are a sentence that was not
  // translated.
  static const std::regex kSentence(R"([A-Za-z]{2,} [a-z]{2,} [a-z]{2,})");
  static const std::regex kCode("`[^`]*`");
  for (const Message& message : kMessages) {
    const std::string prose = std::regex_replace(std::string(message.chinese), kCode, "");
    EXPECT_FALSE(std::regex_search(prose, kSentence)) << message.key << ": " << message.chinese;
  }
}

TEST(Catalogue, UsesTheTermsThatWereAgreed) {
  const Text text(Language::kTraditionalChinese);
  EXPECT_EQ(text("metric.perplexity"), "困惑度");
  EXPECT_EQ(text("head.original"), "原始模型");
  EXPECT_EQ(text("head.variant"), "偽量化模型");
  EXPECT_EQ(text("head.verdict"), "評估");
  EXPECT_EQ(text("section.conclusions"), "結論");
  EXPECT_THAT(text("metric.load"), ::testing::HasSubstr("載入時間"));
  EXPECT_THAT(text("metric.prompt"), ::testing::HasSubstr("提示處理"));
  EXPECT_THAT(text("metric.generation"), ::testing::HasSubstr("Token 生成速度"));
  EXPECT_EQ(text("metric.dialogue"), "對話一致性");
}

TEST(Catalogue, HasNoMessageThatNothingSays) {
  std::string sources;
  for (const auto& entry : std::filesystem::directory_iterator(testing::source_folder() / "src/report")) {
    if (entry.path().extension() == ".cc") sources += testing::read_file(entry.path());
  }
  for (const Message& message : kMessages) {
    bool by_prefix = false;  // looked up by a prefix and a key of the data
    for (const char* prefix : {"reason.", "warning.", "control.", "change.", "class."})
      by_prefix |= message.key.starts_with(prefix);
    EXPECT_TRUE(by_prefix || sources.find("\"" + std::string(message.key) + "\"") != std::string::npos)
        << message.key;
  }
}

TEST(Catalogue, KnowsEveryReasonAndWarningOfTheStudy) {
  static const std::regex kNote(R"re(notes\.push_back\(\{[^,]*, "([a-z_]+)"\}|note\([^;]*"([a-z_]+)"\))re");
  static const std::regex kWarning(R"re(warnings\.push_back\("([a-z_]+)"\))re");
  const std::filesystem::path study = testing::source_folder() / "src/study";
  if (!std::filesystem::exists(study)) GTEST_SKIP() << "no src/study";
  const Text english(Language::kEnglish);
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(study)) {
    const std::string source = testing::read_file(entry.path());
    for (std::sregex_iterator it(source.begin(), source.end(), kNote), end; it != end; ++it, ++found) {
      const std::string key = (*it)[1].matched ? (*it)[1] : (*it)[2];
      EXPECT_NE(english.dynamic("reason.", key), key);
    }
    for (std::sregex_iterator it(source.begin(), source.end(), kWarning), end; it != end; ++it, ++found) {
      EXPECT_NE(english.dynamic("warning.", (*it)[1].str()), (*it)[1]);
    }
  }
  EXPECT_GT(found, 5);
}

TEST(Text, JoinsListsAndCountsInTheLanguagesWay) {
  const Text english(Language::kEnglish), chinese(Language::kTraditionalChinese);
  const std::vector<std::string> items = {"a", "b", "c"};
  EXPECT_EQ(english.list(items), "a, b and c");
  EXPECT_EQ(chinese.list(items), "a、b 和 c");
  EXPECT_EQ(english.plural(1, "unit.chunk", "unit.chunks"), "1 chunk");
  EXPECT_EQ(english.plural(16, "unit.chunk", "unit.chunks"), "16 chunks");
}

TEST(Text, SetsASpaceBetweenHanCharactersAndFilledInValues) {
  const Text chinese(Language::kTraditionalChinese);
  EXPECT_EQ(chinese("sensitivity.none_shown", {{"where", "`0/ffn_norm`"}}),
            "未知。沒有任何改變，因此這個實驗無法說明 `0/ffn_norm` 的敏感度。");
  EXPECT_EQ(chinese("prediction.inside", {{"names", "困惑度比"}}), "困惑度比在容許範圍內。");
  EXPECT_EQ(chinese.list(std::vector<std::string>{"`a`", "乙"}), "`a` 和乙");
}

TEST(Text, ShowsAnUnknownReasonAsItIs) {
  EXPECT_EQ(Text(Language::kEnglish).dynamic("reason.", "the_moon"), "the_moon");
  EXPECT_EQ(Text(Language::kEnglish).dynamic("reason.", "not_measured"), "it was not measured");
}

}  // namespace
}  // namespace fqlab::report
