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
            // Byte for byte, as the file system does it: "é" can be written in two ways.
            case .name(let name): name.utf8.elementsEqual(entry.utf8)
            case .pattern(let pattern): fnmatch(pattern, entry, FNM_PERIOD) == 0
            }
        }
    }

    /// What leads to the directory.
    let directory: [Component]
    /// The file in it.
    let last: Component

    /// Whether all components are names.
    var isOneFile: Bool {
        !(directory + [last]).contains { if case .pattern = $0 { true } else { false } }
    }

    init(_ path: String) throws(PerchError) {
        func fault(_ reason: String) -> PerchError {
            PerchError(.invalid, "the path '\(path.shown(200))' \(reason)")
        }
        guard path.utf8.first == UInt8(ascii: "/") else { throw fault("is not absolute; it starts with '/'") }
        guard !path.utf8.contains(0) else { throw fault("holds a zero byte") }
        var components: [Component] = []
        // By bytes: a mark that is joined to a slash or a star does not hide it.
        for part in path.utf8.split(separator: UInt8(ascii: "/")).map(Substring.init) where part != "." {
            guard part != ".." else { throw fault("holds '..'; write the directory out") }
            guard part.utf8.firstRange(of: "**".utf8) == nil else {
                throw fault("holds '**', which does not exist here; name each level")
            }
            guard part.utf8.count <= 255 else { throw fault("has a component of more than 255 bytes") }
            components.append(Self.component(part))
        }
        guard let last = components.popLast() else { throw fault("names no file") }
        self.last = last
        directory = components
    }

    private static func component(_ part: Substring) -> Component {
        var name = String.UnicodeScalarView()
        var isEscaped = false
        for character in part.unicodeScalars {
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
        if isEscaped { name.append("\\") }
        return .name(String(name))
    }
}
