// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension CommandEnd {
    static let resource = Resource<CommandEnd>(
        "CommandEnd",
        [
            .count("exit_code", "0: done; 1: it could not; 64: wrong usage.") { $0.exitCode },
            .text("output", "What it has written to its standard output.") { $0.output },
            .text("errors", "What it has said on its standard error.") { $0.errors },
        ])
}

extension Endpoint {
    /// A command line with `--url` has its commands run here: each of them has one meaning and one check of what it is given.
    static let commands: [Endpoint] = [
        .change(
            .post, "commands", .events,
            "Runs a command of the command line, as `perch --url` does; each asks for a right of its own.",
            of: CommandEnd.resource,
            body: [
                Schema.Field(
                    name: "arguments", schema: .list(.text, most: 1_000),
                    about: "What follows the program's name: [\"deferred\", \"list\"]."),
                Schema.Field(
                    name: "input", schema: .text, about: "Its standard input; if nothing is said, nothing.",
                    isRequired: false),
            ]
        ) { call in
            guard let desk = call.surroundings.commands else {
                throw Refusal(.notFound, "not_found", "this server runs no commands")
            }
            var arguments: [String] = []
            for value in call.body.list("arguments") ?? [] {
                if case .string(let text) = value { arguments.append(text) }
            }
            let needed: APIRight
            do {
                needed = try desk.right(toGive: arguments)
            } catch let error as PerchError {
                throw Refusal.field("/arguments", error.message)
            }
            // A command may be about anything.
            guard call.caller.everywhere >= needed else {
                throw Refusal(
                    .forbidden, "forbidden",
                    "you may \(call.caller.everywhere.words); this command is for those who may \(needed.words)")
            }
            if needed > .viewer {
                // What stands behind the command's name may be secret.
                let words = arguments.prefix(2).filter { !$0.hasPrefix("-") }.joined(separator: " ")
                let entry = AuditEntry(
                    who: call.caller.name, how: call.caller.how, action: "command", subject: words.shown(60))
                try await call.metastore.write { try $0.audit(entry) }
            }
            return try await desk.run(
                CommandCall(arguments: arguments, input: call.body.text("input") ?? "", person: call.caller.name))
        }
    ]
}
