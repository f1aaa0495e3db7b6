// The heuristics find what they are for: node chinese_test.mjs
import assert from 'node:assert/strict';
import { englishSentences, readSimplified, simplifiedCharacters } from './chinese.mjs';

assert.deepEqual(englishSentences(['The mean is shown below', '困惑度 (perplexity)', '提示「Write a short story about a robot.」']), ['The mean is shown below']);
assert.deepEqual(englishSentences(['SmolLM2 135M Q4_1', 'Top token 的比例', 'Intel Xeon Gold']), []);
assert.deepEqual(simplifiedCharacters('這個張量没有变化', readSimplified()), ['没', '变']);
assert.deepEqual(simplifiedCharacters('偽量化模型與原始模型的差異', readSimplified()), []);
console.log('chinese: 4 heuristics behave');
