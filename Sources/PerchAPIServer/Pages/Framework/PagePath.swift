// SPDX-License-Identifier: Apache-2.0

import PerchMetastore

/// The paths of pages, written as links have them.
enum PagePath {
    static func dag(_ dagID: String, _ view: String? = nil) -> String {
        path(["dags", dagID] + [view].compactMap(\.self))
    }

    static func run(_ dagID: String, _ runID: String, _ view: String? = nil) -> String {
        path(["dags", dagID, "runs", runID] + [view].compactMap(\.self))
    }

    /// Where one task instance is shown; of one that is not there, as of a mapped task by its name alone, those of its task.
    static func instance(_ key: TaskInstanceKey) -> String { instance(key, nil) }

    /// The task instances of a task among those of its run.
    static func instances(_ dagID: String, _ runID: String, _ taskID: String) -> String {
        run(dagID, runID) + query([("task_id", taskID)])
    }

    /// A short link to a task instance, which leads to `instance`: tables with thousands of them would be too heavy else.
    static func instance(_ taskInstanceID: Int64) -> String { "/i/\(taskInstanceID)" }

    /// A path from its parts, each encoded by itself.
    static func path(_ parts: [String]) -> String { "/" + parts.map(encoded).joined(separator: "/") }

    /// `?a=1&b=2`; nothing where there are no pairs. Values that are nil are left out.
    static func query(_ pairs: [(name: String, value: String?)]) -> String {
        let texts = pairs.compactMap { pair in pair.value.map { encoded(pair.name) + "=" + encoded($0) } }
        return texts.isEmpty ? "" : "?" + texts.joined(separator: "&")
    }

    /// Everything but letters, digits, `-`, `.`, `_` and `~` in hexadecimal digits.
    static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        // A part of two dots would lead elsewhere.
        return encoded == "." || encoded == ".." ? encoded.replacing(".", with: "%2E") : encoded
    }
}
