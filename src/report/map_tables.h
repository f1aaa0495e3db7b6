// The tables of a sensitivity map's page.
#pragma once

#include <string>
#include <vector>

#include "fqlab/sensitivity_map.h"
#include "report/document.h"
#include "report/messages.h"

namespace fqlab::report {

class MapTables {
 public:
  MapTables(const SensitivityMap& map, const Text& text) : map_(map), text_(text) {}

  /// One row a format: everything together, and how many cells are in which state.
  Table formats() const;
  /// Layers by kinds.
  Table grid(size_t format, MapMode mode, const std::string& caption) const;
  /// One row a layer and kind; a column for each of `formats` formats from `first` on.
  Table profile(size_t first, size_t formats, MapMode mode, const std::string& caption) const;
  Table ranking(const std::vector<const MapCell*>& ranked, const std::string& caption, size_t most) const;
  Table curves(size_t format, const std::string& caption) const;
  Table additivity() const;
  /// The first `most` cells with a prediction.
  Table predictions(size_t format, const std::string& caption, size_t most) const;
  /// How far the predictions of a format are from what was measured.
  std::string prediction_error(size_t format) const;
  /// Settings, versions, hashes, costs.
  Table making() const;

 private:
  std::string kl_text(const MapCell* cell) const;
  const SensitivityMap& map_;
  const Text& text_;
};

}  // namespace fqlab::report
