// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension CommandNews {
    /// A line of the answer.
    static let resource = Resource<CommandNews>(
        "CommandNews",
        [
            .textOrNull("output", "What it has written to its standard output meanwhile.") {
                if case .output(let text) = $0 { text } else { nil }
            },
            .textOrNull("errors", "What it has said on its standard error meanwhile.") {
                if case .errors(let text) = $0 { text } else { nil }
            },
            .countOrNull(
                "exit_code", "It has ended, and this line is the last. 0: done; 1: it could not; 64: wrong usage."
            ) {
                if case .ended(let code) = $0 { code } else { nil }
            },
            .textOrNull("failure", "It has ended otherwise, and why; this line is the last.") {
                if case .failed(let text) = $0 { text } else { nil }
            },
        ])
}

extension Endpoint {
    /// A command line with `--url` has its commands run here: each of them has one meaning and one check of what it is given.
    static let commands: [Endpoint] = [
        {
            var endpoint = Endpoint(
                .post, "commands", .events,
                "Runs a command of the command line, as `perch --url` does; each asks for a right of its own. The answer is a line "
                    + "for each thing that the command says, as it says it; without its last line it is not whole. A line of "
                    + "nulls is a sign of life.",
                answer: CommandNews.resource.schema,
                service: .command { try await $0.startCommand() })
            endpoint.repetition = .refused("what a command says is not kept")
            endpoint.body = .object([
                Schema.Field(
                    name: "arguments", schema: .list(.text, most: 1_000),
                    about: "What follows the program's name: [\"deferred\", \"list\"]."),
                Schema.Field(
                    name: "input", schema: .text, about: "Its standard input; if nothing is said, nothing.",
                    isRequired: false),
            ])
            return endpoint
        }()
    ]
}

extension RESTCall {
    fileprivate func startCommand() async throws -> (command: any StartedCommand, right: APIRight) {
        guard let desk = surroundings.commands else {
            throw Refusal(.notFound, "not_found", "this server runs no commands")
        }
        var arguments: [String] = []
        for value in body.list("arguments") ?? [] {
            if case .string(let text) = value { arguments.append(text) }
        }
        let needed: APIRight
        do {
            needed = try desk.right(toGive: arguments)
        } catch let error as PerchError {
            throw Refusal.field("/arguments", error.message)
        }
        // A command may be about anything.
        guard caller.everywhere >= needed else {
            throw Refusal(
                .forbidden, "forbidden",
                "you may \(caller.everywhere.words); this command is for those who may \(needed.words)")
        }
        if needed > .viewer {
            // What stands behind the command's name may be secret.
            let words = arguments.prefix(2).filter { !$0.hasPrefix("-") }.joined(separator: " ")
            let entry = AuditEntry(who: caller.name, how: caller.how, action: "command", subject: words.shown(60))
            try await metastore.write { try $0.audit(entry) }
        }
        let command = CommandCall(arguments: arguments, input: body.text("input") ?? "", person: caller.name)
        return (try await desk.start(command), needed)
    }
}
