// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

/// `--queues`, which every role takes that serves some queues and not others.
struct QueuesOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("Serve only these queues, separated by commas. Default: all.", valueName: "names"))
    var queues: String?

    func validate() throws { _ = try names() }

    /// The names, each once and in order; nil: every queue.
    func names() throws -> [String]? {
        guard let queues else { return nil }
        let names = queues.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for name in names {
            if let problem = TaskDefinition.problem(ofQueue: name) { throw ValidationError("--queues: \(problem)") }
        }
        guard names.count <= Transaction.mostQueues else {
            throw ValidationError("--queues: \(names.count) are named; one serves \(Transaction.mostQueues)")
        }
        return Set(names).sorted()
    }

    /// How it is said which are served.
    static func words(_ names: [String]?) -> String {
        names.map { "queues \($0.joined(separator: ", "))" } ?? "every queue"
    }
}
