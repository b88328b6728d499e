// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import PerchSimulation

/// Seeded histories, each with faults.
struct HistoriesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "histories", abstract: "Runs seeded histories with faults; the first that fails ends it.")

    @Option(help: "The seed of the first history; the next ones follow.")
    var seed: UInt64 = 1

    @Option(help: "How many histories.")
    var histories: UInt64 = 100

    @Option(help: "Which faults: all, none, or names with commas between (\(Fault.names.joined(separator: ", "))).")
    var faults = "all"

    @Option(help: "How many faults a history has.")
    var faultsPerHistory = 20

    @Option(help: "How many processes share the work; 0: one a processor.")
    var jobs = 0

    @Flag(help: "Have DAGs with mapped groups; without it a seed is the history that it was before there were any.")
    var mappedGroups = false

    @Flag(help: "Print what happens in each history.")
    var trace = false

    @Flag(help: "Print a line for each history: seed, steps, commits and fingerprint.")
    var fingerprints = false

    /// The kinds of faults.
    private func kinds() throws -> [String] {
        switch faults {
        case "all": return Fault.names
        case "none": return []
        default:
            let names = faults.split(separator: ",").map(String.init)
            if let unknown = names.first(where: { !Fault.names.contains($0) }) {
                throw ValidationError(
                    "there is no fault '\(unknown)'; there are \(Fault.names.joined(separator: ", "))")
            }
            return names
        }
    }

    mutating func validate() throws {
        guard histories > 0 else { throw ValidationError("--histories is a number from 1") }
        guard faultsPerHistory >= 0 else { throw ValidationError("--faults-per-history is a number from 0") }
        guard jobs >= 0 else { throw ValidationError("--jobs is a number from 0") }
        guard !seed.addingReportingOverflow(histories).overflow else {
            throw ValidationError("--seed and --histories together are too large")
        }
        _ = try kinds()
    }

    mutating func run() throws {
        let count = jobs == 0 ? ProcessInfo.processInfo.activeProcessorCount : jobs
        if count > 1, histories > 1 {
            try HistoryWorkers(command: self, count: count).run()
        } else {
            try runHere()
        }
    }

    private func runHere() throws {
        let kinds = try kinds()
        var total = HistoryTotal()
        for seed in seed..<(seed + histories) {
            // Said before it begins, so that whoever reads it knows which one took the process down.
            if ProcessInfo.processInfo.environment[HistoryWorkers.mark] != nil { say("begin \(seed)") }
            let history = History(
                seed: seed, faults: kinds, count: faultsPerHistory, hasGroups: mappedGroups)
            let report = history.run(trace: trace ? { say($0) } : nil)
            total.add(report)
            if fingerprints {
                say(
                    "history \(seed): \(report.steps) steps, \(report.commits) commits, fingerprint \(report.fingerprint)"
                )
            }
            guard report.violations.isEmpty else {
                say(history.explanation(of: report))
                throw ExitCode(1)
            }
        }
        say(total.line)
    }

    private func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
