// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchSDK

/// A URL that can be asked, as libcurl reads it.
struct HTTPAddress {
    let scheme: String
    let host: String
    let port: String

    init(_ text: String) throws(PerchError) {
        func fault(_ reason: String) -> PerchError { PerchError(.invalid, "'\(Self.shown(text))' \(reason)") }
        guard !text.utf8.contains(0) else { throw fault("holds a zero byte") }
        guard let url = curl_url() else { throw PerchError(.unavailable, "no memory for a URL") }
        defer { curl_url_cleanup(url) }
        let result = curl_url_set(url, CURLUPART_URL, text, UInt32(CURLU_NON_SUPPORT_SCHEME))
        guard result == CURLUE_OK else {
            throw fault("is no URL (\(String(cString: curl_url_strerror(result)))); write https://host/path")
        }
        func part(_ what: CURLUPart, _ flags: Int32 = 0) -> String? {
            var value: UnsafeMutablePointer<CChar>?
            guard curl_url_get(url, what, &value, UInt32(flags)) == CURLUE_OK, let value else { return nil }
            defer { curl_free(value) }
            return String(cString: value)
        }
        scheme = (part(CURLUPART_SCHEME) ?? "").lowercased()
        host = (part(CURLUPART_HOST) ?? "").lowercased()
        port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT) ?? ""
        guard scheme == "http" || scheme == "https" else { throw fault("is not http or https") }
        guard !host.isEmpty else { throw fault("names no host") }
        guard part(CURLUPART_USER) == nil, part(CURLUPART_PASSWORD) == nil else {
            throw fault("holds a name or password; send it by a header: .environment(\"TOKEN\")")
        }
    }

    /// What two URLs share that may share secrets and a limit of requests.
    var origin: String { "\(scheme)://\(host):\(port)" }

    /// What is wrong with a proxy's address, in a sentence.
    static func problem(ofProxy text: String) -> String? {
        let schemes = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]
        guard let end = text.firstRange(of: "://"), schemes.contains(String(text[..<end.lowerBound])) else {
            return "the proxy '\(shown(text))' is none of \(schemes.joined(separator: ", ")); write http://host:port"
        }
        do {
            _ = try HTTPAddress("http://" + text[end.upperBound...])
            return nil
        } catch {
            return "the proxy '\(shown(text))' is no address of a host, or holds a name or password"
        }
    }

    /// A URL without what may be secret in it: name, password and query. Of a text that is no URL less is shown rather than
    /// more: all that stands before its last '@'.
    static func shown(_ url: String) -> String {
        let text = url.unicodeScalars.prefix { $0 != "?" && $0 != "#" }
        guard let at = text.lastIndex(of: "@") else { return String(text).shown(200) }
        let scheme = text.firstRange(of: "://".unicodeScalars).map { String(text[..<$0.upperBound]) } ?? ""
        return (scheme.contains("@") ? "" : scheme).shown(20) + String(text[text.index(after: at)...]).shown(180)
    }
}
