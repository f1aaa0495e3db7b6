// Where a sensitivity map comes from: a study file, or map.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fqlab/result.h"
#include "fqlab/sensitivity_map.h"

namespace CLI {
class App;
}

namespace fqlab::cli {

/// The error of what a file holds, with the file's name before the place in it.
Error with_file(Error error, const std::string& path);
/// Whether these are the first bytes of an SQLite file, which a study is.
bool is_study(std::string_view contents);
/// Whether the file holds a map: a study, or a map.json. False where it cannot be read.
bool holds_map(const std::string& path);

/// What is to be predicted from weight errors.
struct PredictionOptions {
  std::vector<std::string> formats;
  std::string imatrix;  ///< weighs the errors; empty: all weights alike
  std::string model;    ///< empty: where the map says it is
};
void add_prediction_options(CLI::App& command, PredictionOptions& options);

/// The map of a study or a map.json, with ranks and additivity, and with predictions where they are asked
/// for; says on stderr how good these are. kInput where the file is neither, or the model not the one
/// measured.
Result<SensitivityMap> read_map_file(const std::string& path, const PredictionOptions& predictions);

}  // namespace fqlab::cli
