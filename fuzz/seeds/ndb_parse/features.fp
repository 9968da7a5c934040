# Clean files: a size and any size.
d41d8cd98f00b204e9800998ecf8427e:4096:Format.Clean.Md5
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:*:Format.Clean.Sha256:73
