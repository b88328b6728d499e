// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchSDK

/// Asks before something is done that cannot be undone.
enum Confirmation {
    /// Returns where the answer is yes, or was given before.
    /// - Throws: `conflict` with what was not done, where it is no; wrong usage where nobody can be asked.
    static func ask(_ question: String, isGiven: Bool, _ refused: String) throws {
        guard !isGiven else { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw ValidationError("it asks first, and standard input is no terminal: give -y")
        }
        Console.shared.prompt("\(question) [y/N] ")
        let answer = readLine(strippingNewline: true)?.lowercased()
        guard answer == "y" || answer == "yes" else { throw PerchError(.conflict, refused) }
    }
}
