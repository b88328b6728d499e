// SPDX-License-Identifier: Apache-2.0

/// Media types of attachments.
enum MailTypes {
    private static let known = [
        "csv": "text/csv", "txt": "text/plain", "log": "text/plain", "html": "text/html", "xml": "application/xml",
        "json": "application/json", "jsonl": "application/jsonl", "yaml": "application/yaml", "pdf": "application/pdf",
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml",
        "zip": "application/zip", "gz": "application/gzip",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ]

    /// By the end of a file's name.
    static func type(of name: String) -> String {
        let end = name.split(separator: ".").last.map { $0.lowercased() } ?? ""
        return known[end] ?? "application/octet-stream"
    }

    /// Whether a text is a type and a subtype, without parameters.
    static func isType(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"()<>@,;:\\\"[]?=".utf8.contains($0) }
            }
    }
}
