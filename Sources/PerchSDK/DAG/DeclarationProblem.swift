// SPDX-License-Identifier: Apache-2.0

/// Something wrong in how a DAG is declared, with the place of the declaration. Declaring never traps: a DAG collects its
/// problems, and a bundle that has any is refused before anything of it runs.
public struct DeclarationProblem: Sendable, Hashable, CustomStringConvertible {
    /// The file as the compiler names it: `Module/File.swift`; of a file of YAML its path in the folder.
    public var file: String
    public var line: Int
    /// From 1, where it is known.
    public var column: Int?
    /// What is wrong and what would be right.
    public var message: String

    /// A problem from its parts.
    public init(file: String, line: Int, column: Int? = nil, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// `file:line: message` or `file:line:column: message`, as a compiler prints it.
    public var description: String { "\(file):\(line):\(column.map { "\($0):" } ?? "") \(message)" }
}

/// Where something was declared.
package struct DeclarationPlace: Sendable, Hashable {
    package var file: String
    package var line: Int
    /// From 1, where it is known.
    package var column: Int?

    package init(_ file: String, _ line: Int, column: Int? = nil) {
        self.file = file
        self.line = line
        self.column = column
    }

    package func problem(_ message: String) -> DeclarationProblem {
        DeclarationProblem(file: file, line: line, column: column, message: message)
    }
}
