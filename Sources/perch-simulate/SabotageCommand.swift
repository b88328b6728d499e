// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Dispatch
internal import PerchSimulation
internal import Synchronization

/// Breaks a rule on purpose, and looks whether the histories show it.
struct SabotageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sabotage",
        abstract: "Puts one defect after the other into the engine and says which history is the first to show it.")

    @Argument(help: "The names of the defects; none: all.")
    var names: [String] = []

    @Option(help: "How many histories are tried for each.")
    var histories: UInt64 = 150

    @Flag(help: "List the defects.")
    var list = false

    mutating func validate() throws {
        let known = Sabotage.all.map(\.name)
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw ValidationError("there is no sabotage '\(unknown)'; there are \(known.joined(separator: ", "))")
        }
        guard histories > 0 else { throw ValidationError("--histories is a number from 1") }
    }

    mutating func run() throws {
        let chosen = Sabotage.all.filter { names.isEmpty || names.contains($0.name) }
        if list {
            for sabotage in chosen { print(sabotage.name) }
            return
        }
        let most = histories
        let found = Mutex<[Int: (seed: UInt64, violation: String)]>([:])
        DispatchQueue.concurrentPerform(iterations: chosen.count) { index in
            for seed in 1...most {
                let report = History(seed: seed, sabotage: chosen[index]).run()
                guard let violation = report.violations.first else { continue }
                found.withLock { $0[index] = (seed, violation) }
                break
            }
        }
        var missed = 0
        for (index, sabotage) in chosen.enumerated() {
            if let (seed, violation) = found.withLock({ $0[index] }) {
                let line = violation.split(separator: "\n").first ?? ""
                print("\(sabotage.name): found by history \(seed): \(line)")
            } else {
                print("\(sabotage.name): NOT found in \(most) histories")
                missed += 1
            }
        }
        print("\(chosen.count - missed) of \(chosen.count) found")
        if missed > 0 { throw ExitCode(1) }
    }
}
