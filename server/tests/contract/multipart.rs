//! Bodies of uploads, byte for byte as the clients of the service built them.

pub(crate) const MULTIPART: &str = "multipart/form-data; boundary=7f3c";

/// A body of two parts, as section 9.1 of the reference shows it.
pub(crate) fn body(metadata: &str, content: &[u8]) -> Vec<u8> {
    parts(&[
        (METADATA, metadata.as_bytes()),
        (
            "Content-Disposition: form-data; name=\"content\"; filename=\"notes.txt\"\r\n\
             Content-Type: application/octet-stream\r\n",
            content,
        ),
    ])
}

/// A body for an overwrite: the content alone.
pub(crate) fn content_only(content: &[u8]) -> Vec<u8> {
    parts(&[(
        "Content-Disposition: form-data; name=\"content\"; filename=\"notes.txt\"\r\n\
         Content-Type: application/octet-stream\r\n",
        content,
    )])
}

/// Parts given by their headers, each ended by CRLF, and their bytes.
pub(crate) fn parts(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, bytes) in parts {
        body.extend_from_slice(b"--7f3c\r\n");
        body.extend_from_slice(headers.as_bytes());
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--7f3c--\r\n");
    body
}

/// The headers of a metadata part as most clients send them.
pub(crate) const METADATA: &str = "Content-Disposition: form-data; name=\"metadata\"\r\n";

/// Headers of both parts, `LENGTH` standing for the length of the content: of clients by name,
/// then of the forms that are told of without one.
pub(crate) const CLIENTS: &[(&str, &str, &str)] = &[
    (
        "go-acd",
        METADATA,
        "Content-Disposition: form-data; name=\"content\"; filename=\"IMG 0042.jpg\"\r\n\
         Content-Type: application/octet-stream\r\n",
    ),
    (
        "acd_cli",
        METADATA,
        "Content-Disposition: form-data; name=\"content\"; filename=\"filename\"\r\n",
    ),
    (
        "Rambalac",
        METADATA,
        "Content-Disposition: form-data; name=\"content\"; filename=two words (1).txt\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: LENGTH\r\n",
    ),
    (
        "metadata with a type",
        "Content-Disposition: form-data; name=\"metadata\"\r\n\
         Content-Type: application/json; charset=utf-8\r\n",
        "Content-Disposition: form-data; name=\"content\"; filename=\"notes.txt\"\r\n\
         Content-Type: application/octet-stream\r\n",
    ),
    (
        "metadata with a type and an empty filename",
        "Content-Disposition: form-data; name=\"metadata\"; filename=\"\"\r\n\
         Content-Type: application/json\r\n",
        "Content-Disposition: form-data; name=\"content\"; filename=\"notes.txt\"\r\n\
         Content-Type: text/plain\r\n",
    ),
    (
        "metadata with a type and a filename",
        "Content-Disposition: form-data; name=\"metadata\"; filename=\"metadata.json\"\r\n\
         Content-Type: application/json\r\n",
        "Content-Disposition: form-data; name=\"content\"; filename=\"\"\r\n\
         Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n",
    ),
    (
        "php",
        METADATA,
        "Content-Disposition: form-data; name=\"contents\"; filename=\"notes.txt\"\r\n\
         Content-Type: application/octet-stream\r\n",
    ),
    (
        "lower-case headers",
        "content-disposition: form-data; name=metadata\r\n",
        "content-type: text/plain\r\n\
         content-disposition: form-data; name=content; filename*=UTF-8''a%20b.txt\r\n",
    ),
];
