// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// An absolute path, taken apart: components that are names and components that are patterns.
struct FilePattern {
    enum Component: Hashable {
        case name(String)
        case pattern(String)

        /// Whether a directory's entry is meant. Patterns do not match a leading dot.
        func matches(_ entry: String) -> Bool {
            switch self {
            case .name(let name): name == entry
            case .pattern(let pattern): fnmatch(pattern, entry, FNM_PERIOD) == 0
            }
        }
    }

    /// What leads to the directory.
    let directory: [Component]
    /// The file in it.
    let last: Component

    init(_ path: String) throws(PerchError) {
        let shown = path.count > 200 ? "\(path.prefix(200))…" : path
        func fault(_ reason: String) -> PerchError { PerchError(.invalid, "the path '\(shown)' \(reason)") }
        guard path.hasPrefix("/") else { throw fault("is not absolute; it starts with '/'") }
        guard !path.utf8.contains(0) else { throw fault("holds a zero byte") }
        var components: [Component] = []
        for part in path.split(separator: "/") where part != "." {
            guard part != ".." else { throw fault("holds '..'; write the directory out") }
            guard !part.contains("**") else { throw fault("holds '**', which does not exist here; name each level") }
            guard part.utf8.count <= 255 else { throw fault("has a component of more than 255 bytes") }
            components.append(Self.component(part))
        }
        guard let last = components.popLast() else { throw fault("names no file") }
        self.last = last
        directory = components
    }

    private static func component(_ part: Substring) -> Component {
        var name = ""
        var isEscaped = false
        for character in part {
            if isEscaped {
                name.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "*" || character == "?" || character == "[" {
                return .pattern(String(part))
            } else {
                name.append(character)
            }
        }
        return .name(isEscaped ? name + "\\" : name)
    }
}
