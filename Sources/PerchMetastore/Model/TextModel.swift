// SPDX-License-Identifier: Apache-2.0

/// What one field of a task has become, with its templates filled in; stars stand in place of what is secret.
public struct RenderedText: Sendable, Hashable {
    /// As people write it: `command`, `environment.PATH`; of a wait `target` and others.
    public var name: String
    public var text: String

    /// A field by its name.
    public init(name: String, text: String) {
        self.name = name
        self.text = text
    }
}

/// What the templates of one dispatch have become.
public struct RenderedRecord: Sendable, Hashable {
    public var taskInstanceID: Int64
    public var dispatchID: Int64
    public var fields: [RenderedText]

    /// A record from its parts.
    public init(taskInstanceID: Int64, dispatchID: Int64, fields: [RenderedText]) {
        self.taskInstanceID = taskInstanceID
        self.dispatchID = dispatchID
        self.fields = fields
    }
}

/// The text of a file that declares DAGs.
public struct DAGSourceText: Sendable, Hashable {
    /// As people know it: relative to the package or the folder that it is in.
    public var path: String
    public var text: String
    /// The DAGs that it declares.
    public var dagIDs: [String]

    /// A text from its parts.
    public init(path: String, text: String, dagIDs: [String]) {
        self.path = path
        self.text = text
        self.dagIDs = dagIDs
    }
}

/// The text that a version of a DAG was read from.
public struct VersionSource: Sendable, Hashable {
    public var path: String
    public var text: String

    /// A text from its parts.
    public init(path: String, text: String) {
        self.path = path
        self.text = text
    }

    /// Its lines, as editors count them: a line ends with LF or CRLF, and behind the last one there is none.
    package var lines: [String] {
        var lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
        }
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }
}
