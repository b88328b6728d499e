// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore

/// `--bundle`, for commands that are about one of a home's bundles.
struct BundleOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("Which of the home's bundles, by its name. Default: default.", valueName: "name"))
    var bundle = WorkerTerms.defaultBundle

    func validate() throws {
        if let problem = BundlePlace.problem(of: bundle) { throw ValidationError("--bundle: \(problem)") }
    }
}
