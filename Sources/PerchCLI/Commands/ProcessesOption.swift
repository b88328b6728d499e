// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `--processes`, which roles take that run tasks.
struct ProcessesOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "How many bundle processes share the tasks. Default: bundle.processes, 1.", valueName: "number"))
    var processes: Int?

    func validate() throws {
        guard let processes else { return }
        guard (1...1_000).contains(processes) else {
            throw ValidationError("--processes is \(processes); it is a number from 1 to 1000")
        }
    }

    /// The setting that the option is short for.
    var assignments: [String] { processes.map { ["bundle.processes=\($0)"] } ?? [] }
}
