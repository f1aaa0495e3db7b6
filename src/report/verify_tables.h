// The tables of a verification's page.
#pragma once

#include "fqlab/verification.h"
#include "report/document.h"
#include "report/messages.h"

namespace fqlab::report {

/// Every file on every text: size and KL divergence.
Table verify_overview(const Verification& v, const Text& say);
/// The numbers behind the Pareto figure.
Table verify_curve_table(const Verification& v, const VerifiedText& text, const std::string& caption,
                         const Text& say);
/// Every file on one text.
Table verify_files_table(const Verification& v, const VerifiedText& text, const Text& say);
/// The verified file against each of the others on one text.
Table verify_pairs_table(const Verification& v, const VerifiedText& text, const Text& say);
/// Every file led along the original's answers.
Table verify_dialogue_table(const Verification& v, const Text& say);
/// One quantity: the original, its second load, every file.
Table verify_speed_table(const Verification& v, SpeedResult FileSpeed::*quantity, Verdict FileSpeed::*verdict,
                         Key caption, const Text& say);
Table verify_settings_table(const Verification& v, const Text& say);
Table verify_hash_table(const Verification& v, const Text& say);
Table verify_plan_table(const Verification& v, const Text& say);
/// For a terminal.
Table verify_terminal_table(const Verification& v, const VerifiedText& text, const Text& say);

}  // namespace fqlab::report
