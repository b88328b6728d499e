// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// JSON texts on the path of every fire, put together without parsing what is JSON text already.
enum StoredJSON {
    /// `{"event": …}`, `{"timeout": true}`, `{"cancelled": {…}}` or `{"broken": "…"}`: written and read by hand, for it is
    /// the one coded value on the path of every fire, and the bundle protocol shows it to other languages.
    static func text(of outcome: WaitOutcome, payload: String?) -> String {
        guard let payload else { return outcome.json.text }
        return "{\"event\":" + payload + "}"
    }

    /// The stored form of a trigger without a due instant, as `TriggerSpec.text` writes it. `definition` is JSON text already.
    static func triggerText(kind: String, target: String, definition: String?) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 + kind.utf8.count + target.utf8.count + (definition?.utf8.count ?? 0))
        bytes.append(contentsOf: "{\"definition\":".utf8)
        bytes.append(contentsOf: (definition ?? "{}").utf8)
        bytes.append(contentsOf: ",\"kind\":".utf8)
        JSONValue.append(kind, to: &bytes)
        bytes.append(contentsOf: ",\"target\":".utf8)
        JSONValue.append(target, to: &bytes)
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }
}
