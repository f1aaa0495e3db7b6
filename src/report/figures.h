// The figures of a report, as SVG. Each returns an empty text where there is nothing to draw.
#pragma once

#include <span>
#include <string>

#include "fqlab/comparison.h"
#include "report/messages.h"
#include "report/sections.h"

namespace fqlab::report {

/// Log perplexity ratio of every chunk, with the zero line, the margins and the mean.
std::string chunk_figure(const Comparison& comparison, const Text& text);

/// Mean, percentiles and maximum of the KL divergence on a logarithmic axis, the noise floor shaded.
std::string kl_figure(const Comparison& comparison, const Text& text);

/// Share of the positions by KL divergence, on the same kind of axis.
std::string histogram_figure(const Comparison& comparison, const Text& text);

std::string position_figure(const Comparison& comparison, const Text& text);
std::string speed_figure(const Comparison& comparison, const Text& text);

/// Comparisons in the order given, one row each: KL divergence with its interval, noise floor, margin.
std::string forest_figure(std::span<const Comparison* const> comparisons, const RowNames& name,
                          const Text& text);

}  // namespace fqlab::report
