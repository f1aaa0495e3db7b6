// Every table of a report as CSV with numbers in full precision.
#pragma once

#include <span>
#include <vector>

#include "fqlab/report.h"

namespace fqlab::report {

/// RFC 4180 in UTF-8: comparisons, tensors, chunks, controls, dialogue and speed; the first column is the
/// recipe or file.
std::vector<ExportFile> csv_tables(std::span<const Comparison> comparisons);

}  // namespace fqlab::report
