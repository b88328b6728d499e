// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchGraph
internal import PerchMetastore
internal import PerchSDK

struct DAGsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "The graph of a DAG: as text, for Graphviz, as a picture. Or the text of its file.",
        discussion: """
            With --run it is the graph that the run started on, with the states of its tasks. In a DAG of more than 60 \
            tasks, 8 and more that look alike share a node.
            With --source it is the text of the file that declares the DAG, YAML or Swift, as the version was read from it.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, dot, svg, json, yaml
    }

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Option(name: .long, help: "The run whose states are shown.", completion: .runs) var run: String?
    @Option(name: .long, help: "The version that is shown. Default: the newest.") var version: Int?
    @Flag(name: .long, help: "Every task is a node of its own.") var all = false
    @Flag(name: .long, help: "The text of the file that declares it, in place of the graph.") var source = false
    @OptionGroup var home: HomeOption
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "How the graph is written: text, dot (for Graphviz), svg, json or yaml.")
    var format: Format = .text

    func validate() throws {
        if run != nil, version != nil { throw ValidationError("a run has its version: leave --version out") }
        if source, all { throw ValidationError("--all is for the graph: leave it out with --source") }
        if source, format == .dot || format == .svg {
            throw ValidationError("a file is shown as text, json or yaml, not as \(format.rawValue)")
        }
    }

    func run() async throws {
        if source { return try await showSource() }
        let (dag, run, version, all) = (dag, run, version, all)
        let graph = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot -> DAGGraph in
                let sharing: DAGGraph.Sharing? = all ? nil : DAGGraph.Sharing()
                guard let run else {
                    let versionID = try snapshot.knownVersion(dag, version).versionID
                    return DAGGraph(try snapshot.definition(ofVersion: versionID), sharing: sharing)
                }
                let row = try snapshot.knownRun(dag, run)
                let counts = try snapshot.stateCounts(runKey: row.runKey)
                return DAGGraph(try snapshot.definition(ofVersion: row.versionID), sharing: sharing) { index in
                    // What is not created yet has not begun.
                    (counts[index] ?? [(.none, 1)]).map { DAGGraph.StateCount($0.state, $0.count) }
                }
            }
        }
        if graph.nodes.isEmpty, format == .text { Console.shared.say("\(dag) has no tasks") }
        for line in lines(graph) { try Console.shared.line(line) }
        try Console.shared.flush()
    }

    private func showSource() async throws {
        let (dag, run, version) = (dag, run, version)
        let (number, source) = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot -> (Int, VersionSource) in
                var wanted = version
                if let run {
                    let versionID = try snapshot.knownRun(dag, run).versionID
                    wanted = try snapshot.versions(dagID: dag).first { $0.versionID == versionID }?.number
                }
                let row = try snapshot.knownVersion(dag, wanted)
                guard let source = try snapshot.source(ofVersion: row.versionID) else {
                    throw PerchError(
                        .notFound,
                        "no text is kept of version \(row.number) of '\(dag)': its bundle had none at hand")
                }
                return (row.number, source)
            }
        }
        guard format == .text else {
            let record: Record = [
                "dag_id": .text(dag), "version": .number(number), "path": .text(source.path),
                "content": .text(source.text),
            ]
            let lines = format == .json ? [Document.record(record).prettyJSON()] : YAMLText.lines(.record(record))
            for line in lines { try Console.shared.line(line) }
            return try Console.shared.flush()
        }
        let text = source.text.hasSuffix("\n") ? String(source.text.dropLast()) : source.text
        try Console.shared.line(SafeText.neutralised(text, keepsLines: true))
        try Console.shared.flush()
    }

    private func lines(_ graph: DAGGraph) -> [String] {
        switch format {
        case .text:
            let isColoured = Console.shared.showsColours
            return graph.text(safe: { SafeText.neutralised($0) }) { mark, state in
                isColoured ? "\u{1B}[38;5;\(state.terminalColour)m\(mark)\u{1B}[0m" : mark
            }
        case .dot: return graph.dot.map { SafeText.neutralised($0) }
        case .svg: return graph.svg.map { SafeText.neutralised($0) }
        case .json: return [Document.record(Self.record(graph)).prettyJSON()]
        case .yaml: return YAMLText.lines(.record(Self.record(graph)))
        }
    }

    private static func record(_ graph: DAGGraph) -> Record {
        [
            "dag_id": .text(graph.dagID),
            "nodes": .list(
                graph.nodes.map { node in
                    var states: Record = [:]
                    states.fields = node.states.map { Record.Field(name: $0.state.rawValue, value: .number($0.count)) }
                    return .record([
                        "name": .text(node.name), "operator": .text(node.kind), "tasks": .number(node.tasks.count),
                        "is_mapped": .flag(node.isMapped), "task_group": .text(node.group.isEmpty ? nil : node.group),
                        "state": .text(node.state?.rawValue), "states": .record(states),
                    ])
                }),
            "edges": .list(
                graph.edges.map { edge in
                    .record([
                        "from": .text(graph.nodes[edge.from].name), "to": .text(graph.nodes[edge.to].name),
                        "is_input": .flag(edge.isInput), "outputs": .list(edge.outputs.map { .text($0) }),
                    ])
                }),
        ]
    }
}
