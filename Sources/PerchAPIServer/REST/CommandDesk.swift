// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Who runs the commands of the command line that come over HTTP.
package protocol CommandDesk: Sendable {
    /// What one has to be allowed to do to give a command.
    /// - Throws: `PerchError` (`invalid`) for what is none, or is not for others' machines.
    func right(toGive arguments: [String]) throws -> APIRight
    /// Starts a command.
    /// - Throws: `PerchError` (`unavailable`) where it could not be started, or too many run.
    func start(_ command: CommandCall) async throws -> any StartedCommand
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

/// A command under way. What it prints waits until it is asked for.
package protocol StartedCommand: Sendable {
    /// What comes next, or that nothing came for so long. Nobody asks twice at a time, nor after the end.
    func next(within span: TimeSpan) async -> CommandNews
    /// Nobody listens any more: it is ended, if it has not. Said again it does nothing.
    func abandon()
}

/// What a command that runs has to tell.
package enum CommandNews: Sendable, Hashable {
    /// It has written this to its standard output.
    case output(String)
    /// It has said this on its standard error.
    case errors(String)
    /// Nothing came.
    case silence
    /// It has ended: 0: done; 1: it could not; 64: wrong usage.
    case ended(exitCode: Int)
    /// It has ended otherwise, and why.
    case failed(String)
}
