// Reports of a verification: a web page, Markdown, JSON, CSV and text for a terminal.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fqlab/report.h"
#include "fqlab/verification.h"

namespace fqlab {

/// report.json (kind "verification", schema_version 1, docs/report-json.md). Numbers read back to the same
/// double.
std::string verification_json(const Verification& verification);

std::string verification_markdown(const Verification& verification, Language language);
/// One self-contained page; no script, no request to anywhere.
std::string verification_html(const Verification& verification, Language language);
/// What came out, and a table a text.
std::string verification_text(const Verification& verification, Language language);

/// files.csv, against.csv, chunks.csv, and where measured dialogue.csv, speed.csv; with a plan frontier.csv:
/// RFC 4180, full precision.
std::vector<ExportFile> verification_csv(const Verification& verification);

/// Writes report.json, the tables of verification_csv() and a page a language (report.html and report.md,
/// report.LANG.* for further ones) into `folder`, which is made where absent. Returns the paths written.
Result<std::vector<std::filesystem::path>> write_verification_report(const Verification& verification,
                                                                     std::span<const Language> languages,
                                                                     const std::filesystem::path& folder);

}  // namespace fqlab
