// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct MetricsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics", abstract: "What the engine counts and measures, in the text format of Prometheus.",
        discussion: "Asks the engine of the home. The page Metrics of the documentation says what each of them means.")

    @Option(name: .long, help: "The process of a triggerer beside the engine, which has figures of its own.")
    var process: Int32?
    @OptionGroup var home: HomeOption

    func run() throws {
        let home = try home.resolve()
        let name = process.map { "process \($0)" } ?? "engine"
        let path = process.map { home.paths.inspection(of: $0) } ?? home.paths.inspection
        let text: String
        switch try EngineLine.ask(["metrics": .bool(true)], at: path) {
        case nil:
            throw PerchError(.unavailable, "no \(name) answers on \(home.path): metrics are kept by a running one")
        case .silence:
            throw PerchError(
                .unavailable, "the \(name) of \(home.path) is there and does not answer: it is stopped, or far behind")
        case .nothing:
            throw PerchError(.unavailable, "the \(name) of \(home.path) closed the connection without an answer")
        case .document(let document):
            guard case .string(let metrics)? = document["metrics"] else {
                throw PerchError(.unavailable, "the \(name) of \(home.path) answered without metrics")
            }
            text = metrics
        }
        for line in text.split(separator: "\n") { try Console.shared.line(SafeText.neutralised(String(line))) }
    }
}
