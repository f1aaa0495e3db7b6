"""Development only: fqlab's statistics against scipy and statsmodels, to 1e-9 relative.

    scripts/run-oracles stats
"""
import json
import subprocess
import sys

import numpy as np
import scipy.stats
import statsmodels.api as sm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

TOLERANCE = 1e-9
random = np.random.default_rng(20240607)
questions, expected = [], []


def ask(question, answer):
    questions.append(question)
    expected.append([float(value) for value in answer])


def clustered(clusters, confidence):
    """OLS on a constant with cluster-robust covariance; its correction is G/(G-1) * (n-1)/(n-1) for one regressor."""
    sizes = random.integers(1, 30, clusters)
    cluster_of = np.repeat(np.arange(clusters), sizes)
    values = random.normal(0.3, 1, sizes.sum()) + random.normal(0, 0.5, clusters)[cluster_of]
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": cluster_of, "df_correction": True}, use_t=True)
    low, high = fit.conf_int(alpha=1 - confidence)[0]
    plain = sm.OLS(values, np.ones(len(values))).fit()
    ask({"kind": "clustered", "values": values.tolist(), "cluster_of": cluster_of.tolist(), "confidence": confidence},
        [fit.params[0], fit.bse[0], low, high, fit.pvalues[0], (fit.bse[0] / plain.bse[0]) ** 2])


def wilson(n, confidence):
    count = int(random.integers(0, n + 1))
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    ask({"kind": "wilson", "fraction": count / n, "n": n, "confidence": confidence}, [low, high])


def mcnemar_table(b, c):
    table = [[100, b], [c, 50]]
    exact, approximate = mcnemar(table, exact=True), mcnemar(table, exact=False, correction=True)
    ask({"kind": "mcnemar", "b": b, "c": c}, [exact.pvalue, approximate.statistic, approximate.pvalue])


def tost():
    estimate, error, margin = random.normal(0, 0.01), random.uniform(1e-3, 1e-2), random.uniform(1e-3, 3e-2)
    degrees = int(random.integers(1, 60))
    lower = scipy.stats.t.sf((estimate + margin) / error, degrees)
    upper = scipy.stats.t.cdf((estimate - margin) / error, degrees)
    low, high = scipy.stats.t.interval(0.9, degrees, estimate, error)
    ask({"kind": "tost", "estimate": estimate, "standard_error": error, "degrees": degrees, "margin": margin},
        [max(lower, upper), low, high])


def tost_of_samples():
    """statsmodels' paired TOST on a sample; the question gives its mean and standard error."""
    from statsmodels.stats.weightstats import DescrStatsW
    sample, margin = random.normal(0.001, 0.01, int(random.integers(4, 40))), random.uniform(2e-3, 1e-2)
    described = DescrStatsW(sample)
    low, high = described.tconfint_mean(alpha=0.1)
    ask({"kind": "tost", "estimate": described.mean, "standard_error": described.std_mean, "degrees": len(sample) - 1, "margin": margin},
        [described.ttost_mean(-margin, margin)[0], low, high])


def ratio(clusters):
    """Survey linearisation by the delete-nothing formula, in numpy."""
    x, y = random.uniform(1, 5, clusters), random.uniform(1, 5, clusters)
    r = x.sum() / y.sum()
    error = np.sqrt(clusters / (clusters - 1) * ((x - r * y) ** 2).sum()) / y.sum()
    ask({"kind": "ratio", "pairs": np.column_stack([x, y]).tolist()}, [r, error])


for clusters in (2, 3, 6, 16, 40, 64):
    for confidence in (0.9, 0.95, 0.99):
        clustered(clusters, confidence)
for n in (1, 2, 10, 255, 4080, 100000):
    for confidence in (0.9, 0.95):
        wilson(n, confidence)
for b, c in ((0, 1), (1, 0), (1, 5), (7, 7), (30, 12), (400, 350), (3000, 3300)):
    mcnemar_table(b, c)
for _ in range(40):
    tost()
    tost_of_samples()
for n in (1, 2, 10, 210):
    p = np.where(random.uniform(size=n) < 0.3, random.uniform(0, 1e-3, n), random.uniform(size=n))
    ask({"kind": "bh", "p": p.tolist()}, multipletests(p, method="fdr_bh")[1])
for n in (1, 2, 7, 1000):
    values = random.normal(size=n)
    for q in (0, 0.001, 0.5, 0.95, 1):
        ask({"kind": "quantile", "values": values.tolist(), "q": q}, [np.quantile(values, q)])
for clusters in (2, 5, 30):
    ratio(clusters)

run = subprocess.run([sys.argv[1]], input=json.dumps(questions), capture_output=True, text=True, check=True)
answers = json.loads(run.stdout)
assert len(answers) == len(questions)
worst, failures = {}, 0
for question, answer, wanted in zip(questions, answers, expected):
    assert len(answer) == len(wanted), question["kind"]
    for got, want in zip(answer, wanted):
        error = abs(got - want) / max(abs(want), 1e-6)
        worst[question["kind"]] = max(worst.get(question["kind"], 0), error)
        if not error <= TOLERANCE:
            failures += 1
            print(f"{question['kind']}: fqlab {got!r}, oracle {want!r}: {question if len(str(question)) < 300 else ''}")
for kind, error in worst.items():
    print(f"{kind}: {sum(q['kind'] == kind for q in questions)} questions, largest relative error {error:.1e}")
sys.exit(failures > 0)
