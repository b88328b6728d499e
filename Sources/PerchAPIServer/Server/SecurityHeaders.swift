// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// What every answer tells browsers not to do with it.
enum SecurityHeaders {
    /// - Parameters:
    ///   - nonce: What scripts and styles in the page itself carry; nil: there are none.
    ///   - isSecure: Whether the server is reached over encrypted connections alone.
    static func add(to fields: inout HTTPFields, nonce: String?, isSecure: Bool) {
        let own = "'self'" + (nonce.map { " 'nonce-\($0)'" } ?? "")
        fields[.contentSecurityPolicy] =
            "default-src 'none'; script-src \(own); style-src \(own); img-src 'self' data:; font-src 'self'; "
            + "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        fields[.xContentTypeOptions] = "nosniff"
        fields[.referrerPolicy] = "same-origin"
        fields[.frameOptions] = "DENY"
        if isSecure { fields[.strictTransportSecurity] = "max-age=31536000" }
    }
}

extension HTTPField.Name {
    fileprivate static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
    fileprivate static let frameOptions = HTTPField.Name("X-Frame-Options")!
}
