// SPDX-License-Identifier: Apache-2.0

/// Who runs the commands of the command line that come over HTTP.
package protocol CommandDesk: Sendable {
    /// What one has to be allowed to do to give a command.
    /// - Throws: `PerchError` (`invalid`) for what is none, or is not for others' machines.
    func right(toGive arguments: [String]) throws -> APIRight
    /// Runs a command to its end.
    /// - Throws: `PerchError` (`unavailable`) where it could not be run, or took too long.
    func run(_ command: CommandCall) async throws -> CommandEnd
}

/// A command as it was given.
package struct CommandCall: Sendable {
    /// What follows the program's name.
    package var arguments: [String]
    /// Its standard input.
    package var input: String
    /// Whom what it does is recorded of.
    package var person: String

    package init(arguments: [String], input: String, person: String) {
        self.arguments = arguments
        self.input = input
        self.person = person
    }
}

/// How a command ended.
package struct CommandEnd: Sendable {
    package var exitCode: Int
    package var output: String
    package var errors: String

    package init(exitCode: Int, output: String, errors: String) {
        self.exitCode = exitCode
        self.output = output
        self.errors = errors
    }
}
