// SPDX-License-Identifier: Apache-2.0

/// Something wrong in how a DAG is declared, with the place of the declaration. Declaring never traps: a DAG collects its
/// problems, and a bundle that has any is refused before anything of it runs.
public struct DeclarationProblem: Sendable, Hashable, CustomStringConvertible {
    /// The file as the compiler names it: `Module/File.swift`.
    public var file: String
    public var line: Int
    /// What is wrong and what would be right.
    public var message: String

    /// A problem from its parts.
    public init(file: String, line: Int, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// `file:line: message`, as a compiler prints it.
    public var description: String { "\(file):\(line): \(message)" }
}

/// Where something was declared.
struct DeclarationPlace: Sendable, Hashable {
    var file: String
    var line: Int

    init(_ file: String, _ line: Int) {
        self.file = file
        self.line = line
    }

    func problem(_ message: String) -> DeclarationProblem {
        DeclarationProblem(file: file, line: line, message: message)
    }
}
