// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a DAG with its runs, versions and journals.",
        discussion: """
            Runs that are under way are cancelled first, with the clean-up of their tasks; it stops where that takes an \
            engine, and goes on when it is called again. A DAG that the bundle still has is refused without --force: it \
            comes back, without its past, when the bundle is read the next time. Logs stay until they are swept.
            """)

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Flag(name: [.customShort("y"), .long], help: "Do not ask.") var yes = false
    @Flag(name: .long, help: "Also a DAG that the bundle still has.") var force = false
    @OptionGroup var home: HomeOption

    /// Rows of one transaction.
    private static let limit = 2_000
    /// How long clean-ups may take before the command gives up.
    private static let patience = TimeSpan.seconds(30)

    func run() async throws {
        let (dag, force) = (dag, force)
        try await home.withMetastore { home, metastore in
            let belongings = try await metastore.read { snapshot in
                let row = try snapshot.knownDAG(dag)
                if row.isActive, !force {
                    throw PerchError(
                        .conflict,
                        """
                        the bundle still has the DAG '\(dag)': take it out of the code first, \
                        `\(ProgramName.current) dags pause \(dag)` to hold it, or give --force
                        """)
                }
                return try snapshot.belongings(ofDAG: dag)
            }
            try Confirmation.ask(Self.question(dag, belongings), isGiven: yes, "nothing was deleted")
            try await metastore.write { try $0.beginRemoval(ofDAG: dag) }
            try await remove(home, metastore, belongings)
            try Console.shared.line("\(dag) is deleted: \(Self.words(belongings))")
            try Console.shared.flush()
        }
    }

    private func remove(_ home: Home, _ metastore: Metastore, _ belongings: DAGBelongings) async throws {
        let dag = dag
        let changes = try ChangeWatch(paths: [home.paths.database + "-wal"])
        var progress = ProgressBar("deleting \(dag)", of: belongings.runs)
        defer { progress.finish() }
        var stuckSince: Timestamp?
        while true {
            let step = try await metastore.write {
                try $0.removeDAG(dag, by: Person.name, limit: Self.limit)
            }
            switch step {
            case .done: return
            case .goesOn(let runs):
                progress.advance(by: runs)
                stuckSince = nil
            case .waitsFor(let runs):
                let since = stuckSince ?? SystemClock().now
                stuckSince = since
                let isHopeless = try !home.mayHaveEngine()
                guard !isHopeless, SystemClock().now - since < Self.patience else {
                    let names = runs.prefix(5).joined(separator: ", ") + (runs.count > 5 ? ", …" : "")
                    throw PerchError(
                        .conflict,
                        """
                        the DAG '\(dag)' is not deleted yet: tasks of \(names) still clean up after the cancel\
                        \(isHopeless ? ", which takes an engine, and none is running" : ""); call it again when they have
                        """)
                }
                changes.wait()
            }
        }
    }

    private static func question(_ dag: String, _ belongings: DAGBelongings) -> String {
        var text = "Delete \(dag) with \(words(belongings))?"
        if belongings.unfinished > 0 {
            text += " \(count(belongings.unfinished, "run")) under way with \(count(belongings.waits, "live wait")) "
            text += "will be cancelled."
        }
        return text
    }

    private static func words(_ belongings: DAGBelongings) -> String {
        "\(count(belongings.runs, "run")) and \(count(belongings.versions, "version"))"
    }

    private static func count(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }
}
