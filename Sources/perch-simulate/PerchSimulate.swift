// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc

@main
struct PerchSimulate: ParsableCommand {
    static func main() {
        // It takes all processors for as long as it runs: whatever else there is goes first.
        _ = nice(10)
        main(nil)
    }

    static let configuration = CommandConfiguration(
        commandName: "perch-simulate",
        abstract: "Runs the whole engine in virtual time, with faults, and checks what must hold after every step.",
        discussion: """
            A seed is a history: the same seed gives the same one, byte for byte, on every machine. A history that fails \
            is shrunk to the operations and faults that it takes, and printed with the seed that shows it again.
            """,
        subcommands: [HistoriesCommand.self, ExploreCommand.self, SabotageCommand.self, MonthCommand.self],
        defaultSubcommand: HistoriesCommand.self)
}
